"""The retry rules of deliveries: when an event is sent again, and when it is given up."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up. The owner of the endpoint can have it sent again."""
    MISSED = "missed"
    """Not sent, since the endpoint was disabled. Its owner can have it sent."""


@dataclass(frozen=True)
class Policy:
    """The retry policy of webhooks."""

    first_retry_pause: timedelta
    """Pause after the first failure of a delivery, or of an endpoint."""
    max_retry_pause: timedelta
    """Longest pause between two attempts of one delivery."""
    attempts: int
    """Attempts of one delivery before it is given up."""
    max_probe_pause: timedelta
    """Longest pause between two probes of a failing endpoint."""
    disable_after: timedelta
    """Time without a success after which an endpoint is disabled."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one request: an HTTP status, or None and the error."""

    event_id: UUID
    status: int | None
    error: str | None = None
    retry_after: timedelta | None = None
    """The pause that the endpoint asked for."""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        return self.status == 410

    @property
    def failure_text(self) -> str | None:
        return None if self.accepted else self.error or f"answered {self.status}"


@dataclass
class Delivery:
    """The delivery of one event to one endpoint."""

    endpoint_id: UUID
    event_id: UUID
    type: str
    body: str = field(repr=False)
    created_at: datetime
    due_at: datetime | None
    """When the event is sent next. None once the delivery has ended."""
    state: State = State.PENDING
    attempts: int = 0
    attempted_at: datetime | None = None
    status: int | None = None
    error: str | None = None

    def record_answer(self, answer: Answer, now: datetime, policy: Policy, jitter: float) -> None:
        """Record the outcome of an attempt: end the delivery, or schedule its next attempt.

        `jitter`, from 0 to 1, shortens the pause.
        """
        if self.state is not State.PENDING:
            return
        self.attempts += 1
        self.attempted_at, self.status, self.error = now, answer.status, answer.failure_text
        if answer.accepted:
            self.state, self.due_at = State.DELIVERED, None
        elif answer.gone or self.attempts >= policy.attempts:
            self.state, self.due_at = State.FAILED, None
        else:
            own_pause = pause(self.attempts, policy.first_retry_pause, policy.max_retry_pause, jitter)
            self.due_at = now + max(own_pause, answer.retry_after or own_pause)

    @classmethod
    def create_missed(cls, endpoint_id: UUID, event_id: UUID, type: str, body: str, now: datetime) -> "Delivery":
        """Create the missed delivery of an event for a disabled endpoint."""
        return cls(endpoint_id, event_id, type, body, now, due_at=None, state=State.MISSED)

    def reschedule(self, now: datetime) -> None:
        """Schedule the delivery now, in whatever state it is, with the full number of attempts."""
        self.state, self.due_at, self.attempts = State.PENDING, now, 0


def pause(failures: int, first: timedelta, longest: timedelta, jitter: float) -> timedelta:
    """Return the pause after `failures` consecutive failures.

    It starts at `first`, grows fourfold with each failure up to `longest`, and is shortened by up to half.
    `jitter`, from 0 to 1, is the share of that half.
    """
    ceiling = min(longest, first * int(4 ** min(failures - 1, 20)))
    return ceiling * (1 - jitter / 2)
