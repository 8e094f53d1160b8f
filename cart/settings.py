"""Settings of the cart, for operators."""

from datetime import timedelta
from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Settings that are read from environment variables."""

    cart_abandoned_after_s: float = Field(default=60, gt=0)
    """Seconds without use after which a cart that is not empty counts as abandoned."""

    checkout_public_url: Annotated[str, Field(pattern=r"^https?://[!-~]+$")] | None = None
    """Base URL at which customers reach checkout, without `/orders`. If it is unset, answers have no `Location`."""

    @property
    def abandoned_after(self) -> timedelta:
        return timedelta(seconds=self.cart_abandoned_after_s)


@cache
def settings() -> Settings:
    """Return the settings. They are read once per process."""
    return Settings()
