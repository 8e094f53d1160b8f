"""Settings of webhooks, read from environment variables."""

from datetime import timedelta
from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from notifications.webhooks.domain import Policy

Seconds = Annotated[float, Field(gt=0, le=30 * 86400)]


class Webhooks(BaseSettings):
    """Allowed targets of webhooks, and their timeouts and retry policy."""

    webhook_private_targets: bool = False
    """Allows plain http, and addresses that are not public. For local use only: never set it where strangers have
    tokens."""
    webhook_timeout_s: Annotated[float, Field(gt=0, le=20)] = 10
    """Seconds for one request, from resolving the host to the status of the answer."""
    webhook_first_retry_s: Seconds = 5
    """Pause after the first failure of a delivery, or of an endpoint. It grows fourfold with each failure."""
    webhook_longest_retry_s: Seconds = 12 * 3600
    """Longest pause between two attempts of one delivery."""
    webhook_attempts: Annotated[int, Field(ge=1, le=100)] = 12
    """Attempts of one delivery. With the default pauses, they take one to two and a half days."""
    webhook_longest_rest_s: Seconds = 60
    """Longest pause between two probes of a failing endpoint."""
    webhook_disable_after_s: Seconds = 3 * 86400
    """Seconds without a success after which an endpoint is disabled."""
    webhook_secret_overlap_s: Seconds = 86400
    """Seconds for which the previous secret also signs after a rotation."""

    @property
    def policy(self) -> Policy:
        return Policy(
            first_retry_pause=timedelta(seconds=self.webhook_first_retry_s),
            max_retry_pause=timedelta(seconds=self.webhook_longest_retry_s),
            attempts=self.webhook_attempts,
            max_probe_pause=timedelta(seconds=self.webhook_longest_rest_s),
            disable_after=timedelta(seconds=self.webhook_disable_after_s),
        )

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.webhook_secret_overlap_s)


@cache
def webhooks() -> Webhooks:
    """Return the settings. They are read once, on first use."""
    return Webhooks()
