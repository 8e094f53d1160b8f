"""Represents one event as it reaches a subscription, from the broker or from the schedule."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from marketplace_runtime.amqp import (
    DeadLetter,
    IncomingMessage,
    InvalidMessage,
    dead_letter_from_event,
    dead_letter_key,
    headers_with_publisher,
)
from marketplace_runtime.consumer.incidents import Incident
from marketplace_runtime.consumer.subscriptions import Reaction
from marketplace_runtime.events import Envelope, Event

SUSPECT_AFTER_DEATHS = 3
"""Process deaths after which a message is a suspected poison message.

A death counts for every message that the process had prefetched, whether it was the cause or not.
"""


@dataclass(slots=True, eq=False)
class Delivery:
    """Holds an event for one subscription, and what is needed to acknowledge, retry or dead-letter it."""

    envelope: Envelope
    body: bytes
    reaction: Reaction
    attempt: int = 1
    failed_at: datetime | None = None
    entry_id: int | None = None
    """Id of its row in the schedule, if it comes from there."""
    message: IncomingMessage | None = None
    """The message to acknowledge, if it comes from the broker or a replay."""
    claimed: bool = False
    """Whether it holds the claim to make the external call."""
    deaths: int = 0
    """Number of processes that died or lost their connection while they held it, since its last completed run."""
    is_suspect: bool = False
    """Whether it is a suspected poison message, which has to be run alone."""
    key: str | None = None
    """Its ordering key, once known. None in a subscription without ordering."""
    in_key_queue: bool = False
    """Whether its row in the schedule is in the queue of its key."""
    answer: Any = None
    """The answer to its external call."""
    _event: Event | None = None

    @property
    def is_lost(self) -> bool:
        """Return whether its source is lost, so that the message will be delivered again anyway."""
        return self.message is not None and self.message.source.is_lost

    @property
    def event(self) -> Event:
        """Return the event in the body, parsed once. Raises `InvalidMessage` if the body does not fit its type."""
        if self._event is None:
            try:
                self._event = self.reaction.read(self.body)
            except ValidationError as error:
                raise InvalidMessage(*_body_error(error)) from None
        return self._event

    @property
    def duplicate_reason(self) -> str:
        """Return why the event was delivered again after it had been handled."""
        if self.message is None:
            return "the schedule ran it again"
        if self.message.replayed:
            return "it was replayed from the log"
        if self.message.redeliveries:
            return "the broker delivered its message again: it had no acknowledgement"
        return "it was published again, or in another version"

    def incident(self, subscription: str, what: Literal["failed", "duplicate"], why: str) -> Incident:
        """Return the incident of this run for the event's history."""
        return Incident(self.envelope.id, subscription, self.envelope.type, what, self.attempt, why)

    def as_dead_letter(self, subscription: str, reason: str, error: str) -> DeadLetter:
        """Return this delivery as a dead letter."""
        return dead_letter_from_event(
            self.envelope,
            self.body,
            subscription=subscription,
            reason=reason,
            error=error,
            attempts=self.attempt,
            failed_at=self.failed_at,
        )


@dataclass(slots=True, eq=False)
class UnreadableMessage:
    """Holds a message that is not an event for this subscription, and why."""

    message: IncomingMessage
    why: InvalidMessage

    @property
    def is_lost(self) -> bool:
        return self.message.source.is_lost

    def as_dead_letter(self, subscription: str) -> DeadLetter:
        properties = self.message.properties
        return DeadLetter(
            key=dead_letter_key(subscription, None, self.message.body, properties.message_id),
            subscription=subscription,
            event_id=None,
            type=None,
            reason=self.why.reason,
            error=str(self.why),
            attempts=0,
            failed_at=None,
            headers=headers_with_publisher(properties),
            body=self.message.body,
        )


def _body_error(error: ValidationError) -> tuple[str, str]:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "not-json", f"the body is no JSON: {first['msg']}"
    place = ".".join(str(part) for part in first["loc"]) or "the body"
    return "invalid-body", f"{error.error_count()} errors, the first at {place}: {first['msg']}"
