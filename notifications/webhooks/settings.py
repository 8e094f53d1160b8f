"""What webhooks read from the environment."""

from datetime import timedelta
from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from notifications.webhooks.domain import Policy

Seconds = Annotated[float, Field(gt=0, le=30 * 86400)]


class Webhooks(BaseSettings):
    """Where webhooks may go, and how long we go on."""

    webhook_private_targets: bool = False
    """For local use: also plain http, and addresses that are not public. Never where strangers have tokens."""
    webhook_timeout_s: Annotated[float, Field(gt=0, le=20)] = 10
    """For one request, from the look-up of its host to the answer's status."""
    webhook_first_retry_s: Seconds = 5
    webhook_longest_retry_s: Seconds = 12 * 3600
    webhook_attempts: Annotated[int, Field(ge=1, le=100)] = 12
    """Of one delivery: with the pauses above, over one to two and a half days."""
    webhook_longest_rest_s: Seconds = 60
    """Between two probes of an endpoint that fails."""
    webhook_disable_after_s: Seconds = 3 * 86400
    """Of nothing but failures."""
    webhook_secret_overlap_s: Seconds = 86400
    """How long the secret before signs, too."""

    @property
    def policy(self) -> Policy:
        return Policy(
            first_retry=timedelta(seconds=self.webhook_first_retry_s),
            longest_retry=timedelta(seconds=self.webhook_longest_retry_s),
            attempts=self.webhook_attempts,
            longest_rest=timedelta(seconds=self.webhook_longest_rest_s),
            disable_after=timedelta(seconds=self.webhook_disable_after_s),
        )

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.webhook_secret_overlap_s)


@cache
def webhooks() -> Webhooks:
    """Read once, when first needed."""
    return Webhooks()
