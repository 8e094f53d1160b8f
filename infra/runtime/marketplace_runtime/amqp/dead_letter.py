"""Defines a dead letter: a message that was given up, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, unchanged, with what is known about it."""

    key: str
    """The same for every copy of this dead letter, so that it is stored once."""
    subscription: str
    event_id: UUID | None
    type: str | None
    reason: str
    """A short stable word, such as `not-json` or `attempts-exhausted`."""
    error: str
    attempts: int
    failed_at: datetime | None
    headers: dict[str, str | int]
    body: bytes
