"""Settings of the catalog, for operators."""

from datetime import timedelta
from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Settings that are read from environment variables."""

    reservation_deadline_s: float = Field(default=30, gt=0)
    """Seconds after which checkout is asked whether an order still needs its reservation."""

    @property
    def reservation_deadline(self) -> timedelta:
        return timedelta(seconds=self.reservation_deadline_s)


@cache
def settings() -> Settings:
    """Return the settings. They are read once per process."""
    return Settings()
