"""What an operator may set."""

from datetime import timedelta
from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Read from the environment."""

    cart_abandoned_after_s: float = Field(default=60, gt=0)
    """How long a cart with something in it is left alone before it counts as abandoned."""

    checkout_public_url: Annotated[str, Field(pattern=r"^https?://[!-~]+$")] | None = None
    """Where customers reach checkout, up to and without `/orders`; without it answers have no `Location`."""

    @property
    def abandoned_after(self) -> timedelta:
        return timedelta(seconds=self.cart_abandoned_after_s)


@cache
def settings() -> Settings:
    """The same settings for the life of the process."""
    return Settings()
