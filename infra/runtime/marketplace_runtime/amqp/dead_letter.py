"""A dead letter: a message that was given up, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, untouched, with what is known of it."""

    key: str
    """The same for every copy of this death, so that it is filed once."""
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
