"""The rules of endpoints: which events each is sent, and when it is disabled.

An endpoint is served in turns, one at a time, so a dead endpoint occupies a single worker. A turn sends the deliveries
that are due concurrently. While the endpoint fails it is only probed, by one request after each pause.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from notifications.webhooks.domain.deliveries import Answer, Policy, pause

MAX_CONCURRENT_REQUESTS = 16
"""Concurrent requests in one turn."""
MAX_MISSED_EVENTS = 100_000
"""Missed events that are kept for a disabled endpoint: about 100 MB."""
TURN_LOST_AFTER = timedelta(minutes=5)
"""Lateness above which a turn counts as lost and is replaced. A turn takes much less. A replaced turn does nothing."""


class DisabledReason(StrEnum):
    FAILING = "failing"
    GONE = "gone"
    OVERRUN = "overrun"
    """The endpoint accepts events more slowly than they arrive, and more are pending than are kept."""


@dataclass(frozen=True)
class TurnScheduled:
    """The next turn of the endpoint, due when the time `after` has passed. It replaces any earlier one."""

    turn: UUID
    after: timedelta


@dataclass(frozen=True)
class Disabled:
    """The endpoint is disabled: nothing is sent until its owner enables it again."""

    reason: DisabledReason


EndpointChange = TurnScheduled | Disabled
"""A change of an endpoint that is to be published or scheduled."""


@dataclass
class Endpoint:
    """A registered webhook endpoint: its URL, the events that it is sent, its secrets and its health."""

    endpoint_id: UUID
    owner: str
    url: str = field(repr=False)  # it may contain a secret of the owner
    events: list[str]
    """Event types, or patterns of them: `checkout.*`, `checkout.order-placed.*`, `*`."""
    everyones: bool
    """Whether events that concern other people than the owner are sent to it, too."""
    created_at: datetime
    secret: str = field(repr=False)
    old_secret: str | None = field(default=None, repr=False)
    old_secret_until: datetime | None = None
    disabled: DisabledReason | None = None
    failures: int = 0
    """Consecutive turns without a success."""
    failing_since: datetime | None = None
    rests_until: datetime | None = None
    """End of the pause after a failure, or of one that the endpoint asked for."""
    turn: UUID = field(default_factory=uuid4)
    """Id of the valid turn. A turn with another id was replaced, and does nothing."""
    turn_at: datetime | None = None
    """When the next turn is due, or when the turn in progress started. None if nothing is pending."""
    missed: int = 0
    """Missed events that were not redelivered since. At most `MAX_MISSED_EVENTS` are counted and kept."""

    def receives(self, type: str, person: str | None, *, public: bool) -> bool:
        """Whether an event of `type` that concerns `person` is sent to this endpoint.

        It must match one of the patterns. It must also be public or concern the owner, unless `everyones` is set.
        """
        if not (public or self.everyones or person == self.owner):
            return False
        return any(matches(pattern, type) for pattern in self.events)

    def accept_missed_event(self) -> bool:
        """Count an event that the disabled endpoint misses, if it may be kept. Returns False if too many are kept."""
        if self.missed >= MAX_MISSED_EVENTS:
            return False
        self.missed += 1
        return True

    def schedule_turn(self, at: datetime, now: datetime) -> list[EndpointChange]:
        """Schedule the next turn at `at`, or at the end of the pause if that is later.

        Returns no change if the endpoint is disabled, or a turn is due at that time or earlier and not lost.
        """
        if self.turn_at is not None and now - self.turn_at > TURN_LOST_AFTER:
            self.turn_at = None
        at = max(at, self.rests_until or at)
        if self.disabled or (self.turn_at is not None and self.turn_at <= at):
            return []
        self.turn, self.turn_at = uuid4(), at
        return [TurnScheduled(self.turn, after=max(at - now, timedelta()))]

    @property
    def max_concurrent_requests(self) -> int:
        return 1 if self.failures else MAX_CONCURRENT_REQUESTS

    def record_answers(
        self, answers: Sequence[Answer], now: datetime, policy: Policy, jitter: float, *, overrun: bool = False
    ) -> list[EndpointChange]:
        """Record the outcomes of a turn. Disables the endpoint if it is gone, failed for too long, or is `overrun`.

        `jitter`, from 0 to 1, shortens the pause. `overrun`: more deliveries are pending than are kept.
        """
        if any(answer.accepted for answer in answers):
            self.recover()
        else:
            self.failures += 1
            self.failing_since = self.failing_since or now
            self.rests_until = now + pause(self.failures, policy.first_retry_pause, policy.max_probe_pause, jitter)
        pauses = [answer.retry_after for answer in answers if answer.retry_after is not None]
        if pauses:
            self.rests_until = max(now + max(pauses), self.rests_until or now)
        if any(answer.gone for answer in answers):
            self.disabled = DisabledReason.GONE
        elif self.failing_since is not None and now - self.failing_since >= policy.disable_after:
            self.disabled = DisabledReason.FAILING
        elif overrun:
            self.disabled = DisabledReason.OVERRUN
        return [Disabled(self.disabled)] if self.disabled else []

    def enable(self, now: datetime) -> list[EndpointChange]:
        """Enable the endpoint, reset its failures and schedule a turn now. A turn in progress continues."""
        self.disabled = None
        self.recover()
        return self.schedule_turn(at=now, now=now)

    def recover(self) -> None:
        self.failures, self.failing_since, self.rests_until = 0, None, None

    def rotate_secret(self, now: datetime, overlap: timedelta) -> None:
        """Create a new secret. The previous one also signs for the time of `overlap`."""
        self.old_secret, self.old_secret_until = self.secret, now + overlap
        self.secret = new_secret()

    def secrets_at(self, now: datetime) -> list[str]:
        """Return the secrets that sign now, newest first. Deletes the old secret if its time is over."""
        if self.old_secret_until is not None and self.old_secret_until <= now:
            self.old_secret = self.old_secret_until = None
        return [self.secret, *([self.old_secret] if self.old_secret else [])]


def matches(pattern: str, type: str) -> bool:
    return type == pattern or (pattern.endswith("*") and type.startswith(pattern[:-1]))


def new_secret() -> str:
    """Return a new secret as Standard Webhooks specifies it: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
