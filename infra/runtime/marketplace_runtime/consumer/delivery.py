"""One event as it reaches a subscription: from the broker, or from the schedule."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from marketplace_runtime.amqp import (
    DeadLetter,
    IncomingMessage,
    Invalid,
    dead_letter_of,
    key_of,
    unchecked,
)
from marketplace_runtime.consumer.incidents import Incident
from marketplace_runtime.consumer.subscriptions import Reaction
from marketplace_runtime.events import Envelope, Event

SUSPECT_AFTER = 3
"""Deaths of a process with a message in hand. They count for all that it had prefetched, guilty or not."""


@dataclass(slots=True, eq=False)
class Delivery:
    """An event for one subscription, with what is needed to settle it, whatever comes of it."""

    envelope: Envelope
    body: bytes
    reaction: Reaction
    attempt: int = 1
    failed_at: datetime | None = None
    entry: int | None = None
    """Its row in the schedule, if it comes from there."""
    message: IncomingMessage | None = None
    """The message to acknowledge, if it comes from the broker."""
    claimed: bool = False
    """Whether it holds the claim to make the outside call."""
    deaths: int = 0
    """How often a process died, or was cut off, with it in hand, since its last run came to an end."""
    suspect: bool = False
    """Whether processes died so often with it in hand that it has to be run alone."""
    key: str | None = None
    """What it is ordered by, once that is known; None where its subscription keeps no order."""
    in_line: bool = False
    """Whether its row in the schedule stands in the line of its key."""
    answer: Any = None
    """What its external call was answered."""
    _event: Event | None = None

    @property
    def lost(self) -> bool:
        """Whether it will be delivered again anyway."""
        return self.message is not None and self.message.source.lost

    @property
    def event(self) -> Event:
        """The body, read once. Raises `Invalid` if it does not fit its type."""
        if self._event is None:
            try:
                self._event = self.reaction.read(self.body)
            except ValidationError as error:
                raise Invalid(*_why(error)) from None
        return self._event

    @property
    def came_again(self) -> str:
        """Why it came once more, after it was handled."""
        if self.message is None:
            return "the schedule ran it again"
        if self.message.replayed:
            return "it was replayed from the log"
        if self.message.redeliveries:
            return "the broker delivered its message again: it had no acknowledgement"
        return "it was published again, or in another version"

    def incident(self, subscription: str, what: Literal["failed", "duplicate"], why: str) -> Incident:
        """What its story will tell of this run."""
        return Incident(self.envelope.id, subscription, self.envelope.type, what, self.attempt, why)

    def letter(self, subscription: str, reason: str, error: str) -> DeadLetter:
        """This delivery as a dead letter."""
        return dead_letter_of(
            self.envelope,
            self.body,
            subscription=subscription,
            reason=reason,
            error=error,
            attempts=self.attempt,
            failed_at=self.failed_at,
        )


@dataclass(slots=True, eq=False)
class Unreadable:
    """A message that is no event for this subscription."""

    message: IncomingMessage
    why: Invalid

    @property
    def lost(self) -> bool:
        return self.message.source.lost

    def letter(self, subscription: str) -> DeadLetter:
        properties = self.message.properties
        return DeadLetter(
            key=key_of(subscription, None, self.message.body, properties.message_id),
            subscription=subscription,
            event_id=None,
            type=None,
            reason=self.why.reason,
            error=str(self.why),
            attempts=0,
            failed_at=None,
            headers=unchecked(properties),
            body=self.message.body,
        )


def _why(error: ValidationError) -> tuple[str, str]:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "not-json", f"the body is no JSON: {first['msg']}"
    place = ".".join(str(part) for part in first["loc"]) or "the body"
    return "invalid-body", f"{error.error_count()} errors, the first at {place}: {first['msg']}"
