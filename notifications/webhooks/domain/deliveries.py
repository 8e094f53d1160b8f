"""The rules of deliveries: when an event is sent again, and when it is given up."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up; its owner may have it sent again."""
    MISSED = "missed"
    """Not sent, since its endpoint was disabled; its owner may have it sent."""


@dataclass(frozen=True)
class Policy:
    """How long we go on."""

    first_retry: timedelta
    longest_retry: timedelta
    attempts: int
    longest_rest: timedelta
    disable_after: timedelta


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: a status, or none and why."""

    event_id: UUID
    status: int | None
    error: str | None = None
    rest: timedelta | None = None
    """How long it asked to be left alone."""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        return self.status == 410

    @property
    def why(self) -> str | None:
        return None if self.accepted else self.error or f"answered {self.status}"


@dataclass
class Delivery:
    """One event for one endpoint."""

    endpoint_id: UUID
    event_id: UUID
    type: str
    body: str = field(repr=False)
    created_at: datetime
    due_at: datetime | None
    """When it is sent next; None once that is settled."""
    state: State = State.PENDING
    attempts: int = 0
    attempted_at: datetime | None = None
    status: int | None = None
    error: str | None = None

    def answered(self, answer: Answer, now: datetime, policy: Policy, chance: float) -> None:
        """Settle it, or put it off."""
        if self.state is not State.PENDING:
            return
        self.attempts += 1
        self.attempted_at, self.status, self.error = now, answer.status, answer.why
        if answer.accepted:
            self.state, self.due_at = State.DELIVERED, None
        elif answer.gone or self.attempts >= policy.attempts:
            self.state, self.due_at = State.FAILED, None
        else:
            own = pause(self.attempts, policy.first_retry, policy.longest_retry, chance)
            self.due_at = now + max(own, answer.rest or own)

    @classmethod
    def not_sent(cls, endpoint_id: UUID, event_id: UUID, type: str, body: str, now: datetime) -> "Delivery":
        """One for an endpoint that is disabled."""
        return cls(endpoint_id, event_id, type, body, now, due_at=None, state=State.MISSED)

    def again(self, now: datetime) -> None:
        """Send it now, whatever became of it, with all its attempts before it."""
        self.state, self.due_at, self.attempts = State.PENDING, now, 0


def pause(failures: int, first: timedelta, longest: timedelta, chance: float) -> timedelta:
    """After so many failures in a row: `first`, four times as long each time, at most `longest`; less up to half of it.

    `chance` from 0 to 1 says how much less.
    """
    ceiling = min(longest, first * int(4 ** min(failures - 1, 20)))
    return ceiling * (1 - chance / 2)
