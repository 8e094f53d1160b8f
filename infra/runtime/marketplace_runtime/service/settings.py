"""What every service reads from its environment (twelve-factor)."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from marketplace_runtime.database import LEAST_DAYS
from marketplace_runtime.http import REQUEST_TIMEOUT_S
from marketplace_runtime.replay import REPLAY_RATE
from marketplace_runtime.resilience import MAX_CONCURRENT_REQUESTS


class Settings(BaseSettings):
    """Settings that all services share. A service's own are in its `settings.py`."""

    database_url: SecretStr
    """As the role that runs: it reads and writes rows and owns nothing."""
    migration_database_url: SecretStr | None = None
    """As the role that owns the tables. With it the service migrates at start; without, it only checks."""
    broker_url: SecretStr
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=1, le=65535)
    """Shared by all replicas on a machine."""
    ops_port: int = Field(default=9000, ge=1, le=65535)
    """This replica's own; the same routes."""
    oidc_issuer: str
    oidc_audience: str | None = None
    """Without it, the audience that the application names."""
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    http_most_at_once: int = Field(default=MAX_CONCURRENT_REQUESTS, ge=2, le=10_000)
    """Requests under way in this replica; reads may fill half of it, changes four fifths, checkouts all."""
    http_slow_s: float = Field(default=1.0, gt=0)
    """While most requests take longer than this, fewer are let in at once, down to a quarter."""
    http_timeout_s: float = Field(default=REQUEST_TIMEOUT_S, gt=0)
    """What a request is given once its body is here, unless its client waits less; operators' have no limit."""
    http_pool_size: int = Field(default=10, ge=1, le=100)
    messaging_pool_size: int = Field(default=10, ge=2, le=100)
    """Database connections of either; however many requests come, messages are still handled."""
    replay_rate: int = Field(default=REPLAY_RATE, ge=1, le=100_000)
    """Events per second that a replay from the log hands to a subscription at most."""
    sweep_every_s: float = Field(default=15, gt=0)
    """How often a service looks for what waits in vain: for a deadline that got lost, or for somebody outside."""
    retention_days: int = 14
    """How long it is remembered what was handled, what was said, what became of dead letters, and what was answered
    under an Idempotency-Key. For 7 days after its event a message is taken in; what was said can be published again
    for an hour less, however long it is kept."""

    @field_validator("retention_days")
    @classmethod
    def _longer_than_events_are_taken_in(cls, days: int) -> int:
        if days < LEAST_DAYS:
            raise ValueError(
                f"RETENTION_DAYS={days} would forget events that can still come again: use {LEAST_DAYS} or more"
            )
        return days
