"""What an operator may set."""

from datetime import timedelta
from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Read from the environment."""

    reservation_deadline_s: float = Field(default=30, gt=0)
    """How long stock is set aside before checkout is asked whether the order is still wanted."""

    @property
    def reservation_deadline(self) -> timedelta:
        return timedelta(seconds=self.reservation_deadline_s)


@cache
def settings() -> Settings:
    """The same settings for the life of the process."""
    return Settings()
