"""The rules of endpoints: who hears what, and when an endpoint is given up.

An endpoint is served in turns, one at a time: so a dead one holds a single call of ours. A turn takes what is due,
side by side; while the endpoint fails it is only probed, by one request after each rest.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from notifications.webhooks.domain.deliveries import Answer, Policy, pause

AT_ONCE = 16
"""Requests of one turn."""
MOST_MISSED = 100_000
"""Events that are kept for an endpoint which is disabled: some 100 MB."""
LOST_AFTER = timedelta(minutes=5)
"""A turn is over long before: one that is so late got lost. Should it come after all, it does nothing."""


class DisabledReason(StrEnum):
    FAILING = "failing"
    GONE = "gone"
    OVERRUN = "overrun"
    """It takes in less than it is sent, and more waits than we keep."""


@dataclass(frozen=True)
class TurnScheduled:
    """Its next turn is this one, after so long; an earlier one is replaced."""

    turn: UUID
    after: timedelta


@dataclass(frozen=True)
class Disabled:
    """Nothing more is sent to it until its owner enables it again."""

    reason: DisabledReason


EndpointChange = TurnScheduled | Disabled
"""What follows from what happened to an endpoint."""


@dataclass
class Endpoint:
    """Where somebody wants to be told, of what, and how that goes."""

    endpoint_id: UUID
    owner: str
    url: str = field(repr=False)  # it may hold a key of the owner's
    events: list[str]
    """Types, or patterns of them: `checkout.*`, `checkout.order-placed.*`, `*`."""
    everyones: bool
    """Whether it hears what concerns others than its owner, too."""
    created_at: datetime
    secret: str = field(repr=False)
    old_secret: str | None = field(default=None, repr=False)
    old_secret_until: datetime | None = None
    disabled: DisabledReason | None = None
    failures: int = 0
    """Turns in a row without a success."""
    failing_since: datetime | None = None
    rests_until: datetime | None = None
    turn: UUID = field(default_factory=uuid4)
    turn_at: datetime | None = None
    """When its next turn is, or was while that is under way; None where nothing waits."""
    missed: int = 0
    """Events that came while it was disabled, and that were not asked for since; no more are kept than MOST_MISSED."""

    def hears(self, type: str, person: str | None, *, public: bool) -> bool:
        """Whether an event of `type` is for it: one that is public, names its owner, or may be anyone's."""
        if not (public or self.everyones or person == self.owner):
            return False
        return any(matches(pattern, type) for pattern in self.events)

    def miss(self) -> bool:
        """Count an event that came while it is disabled. False if so many came that this one is not kept."""
        self.missed = min(self.missed + 1, MOST_MISSED)
        return self.missed < MOST_MISSED

    def schedule_turn(self, at: datetime, now: datetime) -> list[EndpointChange]:
        """Have the next turn at `at`, or after its rest. No change where one comes as soon anyway, and is not lost."""
        if self.turn_at is not None and now - self.turn_at > LOST_AFTER:
            self.turn_at = None
        at = max(at, self.rests_until or at)
        if self.disabled or (self.turn_at is not None and self.turn_at <= at):
            return []
        self.turn, self.turn_at = uuid4(), at
        return [TurnScheduled(self.turn, after=max(at - now, timedelta()))]

    @property
    def most_at_once(self) -> int:
        return 1 if self.failures else AT_ONCE

    def answered(
        self, answers: Sequence[Answer], now: datetime, policy: Policy, chance: float, *, overrun: bool = False
    ) -> list[EndpointChange]:
        """Take in a turn's answers, and whether too much waits: that may disable it."""
        if any(answer.accepted for answer in answers):
            self.recover()
        else:
            self.failures += 1
            self.failing_since = self.failing_since or now
            self.rests_until = now + pause(self.failures, policy.first_retry, policy.longest_rest, chance)
        rests = [answer.rest for answer in answers if answer.rest is not None]
        if rests:
            self.rests_until = max(now + max(rests), self.rests_until or now)
        if any(answer.gone for answer in answers):
            self.disabled = DisabledReason.GONE
        elif self.failing_since is not None and now - self.failing_since >= policy.disable_after:
            self.disabled = DisabledReason.FAILING
        elif overrun:
            self.disabled = DisabledReason.OVERRUN
        return [Disabled(self.disabled)] if self.disabled else []

    def enable(self, now: datetime) -> list[EndpointChange]:
        """Forget what went wrong, and have a turn now. A turn that is under way goes on."""
        self.disabled = None
        self.recover()
        return self.schedule_turn(now, now)

    def recover(self) -> None:
        self.failures, self.failing_since, self.rests_until = 0, None, None

    def rotate(self, now: datetime, overlap: timedelta) -> None:
        """Make a new secret; for the time of `overlap` the one before signs, too."""
        self.old_secret, self.old_secret_until = self.secret, now + overlap
        self.secret = new_secret()

    def secrets_at(self, now: datetime) -> list[str]:
        """What signs now, the newest first. An old secret whose time is over is forgotten."""
        if self.old_secret_until is not None and self.old_secret_until <= now:
            self.old_secret = self.old_secret_until = None
        return [self.secret, *([self.old_secret] if self.old_secret else [])]


def matches(pattern: str, type: str) -> bool:
    return type == pattern or (pattern.endswith("*") and type.startswith(pattern[:-1]))


def new_secret() -> str:
    """As Standard Webhooks writes it: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
