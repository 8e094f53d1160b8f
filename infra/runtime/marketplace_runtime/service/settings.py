"""Defines the settings that every service reads from its environment (twelve-factor)."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from marketplace_runtime.database import MIN_RETENTION_DAYS
from marketplace_runtime.http import REQUEST_TIMEOUT_S
from marketplace_runtime.replay import REPLAY_RATE
from marketplace_runtime.resilience import MAX_CONCURRENT_REQUESTS


class Settings(BaseSettings):
    """Holds the settings that all services share. A service's own are in its `settings.py`."""

    database_url: SecretStr
    """The database, as the role of the running service: it reads and writes rows and owns nothing."""
    migration_database_url: SecretStr | None = None
    """The database, as the role that owns the tables. If set, the service migrates at start; if not, it only checks."""
    broker_url: SecretStr
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=1, le=65535)
    """The port for clients. Each replica has its own. It is served once the replica has started."""
    ops_port: int = Field(default=9000, ge=1, le=65535)
    """The port for operators, with the same routes. It is served from the beginning."""
    oidc_issuer: str
    oidc_audience: str | None = None
    """The audience of tokens. Default: the audience that the application's `Naming` defines."""
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    http_most_at_once: int = Field(default=MAX_CONCURRENT_REQUESTS, ge=2, le=10_000)
    """Maximum number of requests under way in this replica.

    Reads may use half of it, other requests four fifths, and those of critical priority (checkouts) all.
    """
    http_slow_s: float = Field(default=1.0, gt=0)
    """While most requests take longer than this, the maximum is reduced, down to a quarter."""
    http_timeout_s: float = Field(default=REQUEST_TIMEOUT_S, gt=0)
    """Time limit of a request once its body was read. A shorter Request-Timeout of the client takes precedence.

    Operators' routes have no limit.
    """
    http_pool_size: int = Field(default=10, ge=1, le=100)
    """Number of database connections for requests."""
    messaging_pool_size: int = Field(default=10, ge=2, le=100)
    """Number of database connections for messaging. They are separate, so that requests cannot block messages."""
    replay_rate: int = Field(default=REPLAY_RATE, ge=1, le=100_000)
    """Maximum number of events per second that a replay from the log stream hands to a subscription."""
    sweep_every_s: float = Field(default=15, gt=0)
    """Interval at which sweeps search for stuck work, which waits for a lost deadline or for an external party."""
    retention_days: int = 14
    """Days for which handled and published events, settled dead letters, and answers under an Idempotency-Key are kept.

    A longer retention does not change two other limits: a message is accepted until its event is 7 days old, and an
    event can be republished until an hour before that.
    """

    @field_validator("retention_days")
    @classmethod
    def _check_retention_days(cls, days: int) -> int:
        if days < MIN_RETENTION_DAYS:
            raise ValueError(
                f"RETENTION_DAYS={days} would forget events that can still be redelivered: "
                f"use {MIN_RETENTION_DAYS} or more"
            )
        return days
