"""Turns a dead letter into an entry of the schedule, for the one subscription that failed to handle it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from marketplace_runtime.amqp import (
    CLOUDEVENTS_PREFIX,
    PUBLISHER_HEADER,
    DeadLetter,
    InvalidMessage,
    envelope_from_headers,
)
from marketplace_runtime.consumer import Delivery, Subscription, reaction_to
from marketplace_runtime.database import ScheduleEntry, new_id
from marketplace_runtime.dead_letters.redrive import CannotRedrive
from marketplace_runtime.dead_letters.table import StoredDeadLetter
from marketplace_runtime.events import Envelope, Event
from marketplace_runtime.telemetry import current_traceparent


class EntryBuilder:
    """Turns dead letters into entries of the schedule, if a subscription of the service accepts them."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._subscriptions = {each.name: each for each in subscriptions}

    def build(self, stored: StoredDeadLetter) -> ScheduleEntry:
        """Return the entry that redrives `stored` under its own event id.

        Raises `CannotRedrive` unless the letter passes the checks of a message from the broker. It may be of any age.
        """
        letter = stored.letter
        try:
            envelope = _envelope(letter.headers, stored.size)
            self._decode_event(letter.subscription, envelope, letter.body)
        except InvalidMessage as why:
            raise CannotRedrive(f"{why.reason}: {why}. Edit it, or discard it.") from None
        return _entry_due_now(letter, envelope, letter.body)

    def build_edited(self, letter: DeadLetter, body: bytes, type: str | None) -> ScheduleEntry:
        """Return the entry that redrives `letter` with another body, as an event of `type` or of its own type.

        The operator vouches for the event, so its publisher is not checked. It keeps its id and headers. If these are
        invalid, it gets a new envelope and id. Raises `CannotRedrive` if the subscription does not accept the event.
        """
        type = type or letter.type
        if type is None:
            raise CannotRedrive("The dead letter has no event type: give one in `type`.")
        owner = type.partition(".")[0]
        try:
            envelope = _envelope(
                {**letter.headers, CLOUDEVENTS_PREFIX + "type": type, PUBLISHER_HEADER: owner}, len(body)
            )
        except InvalidMessage:
            envelope = Envelope(new_id(), type, owner, "", datetime.now(UTC), current_traceparent())
        try:
            event = self._decode_event(letter.subscription, envelope, body)
        except InvalidMessage as why:
            raise CannotRedrive(f"{why.reason}: {why}.") from None
        return _entry_due_now(letter, replace(envelope, subject=event.subject), body)

    def _decode_event(self, name: str, envelope: Envelope, body: bytes) -> Event:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            raise CannotRedrive(f"Subscription {name!r} does not exist in this service any more. Discard the letter.")
        return Delivery(envelope, body, reaction_to(envelope.type, subscription)).event


def _envelope(headers: Mapping[str, Any], body_bytes: int) -> Envelope:
    """Return the stored envelope. Raises `InvalidMessage` if it is not valid.

    Its publisher was checked before the letter was stored, unless `PUBLISHER_HEADER` names one to check.
    """
    owner = str(headers.get(CLOUDEVENTS_PREFIX + "type")).partition(".")[0]
    user = str(headers.get(PUBLISHER_HEADER, owner))
    envelope = envelope_from_headers(headers, user, body_bytes)
    if envelope.id.version != 7:
        raise InvalidMessage("unusable-id", f"event id {envelope.id} is no UUIDv7")
    return envelope


def _entry_due_now(letter: DeadLetter, envelope: Envelope, body: bytes) -> ScheduleEntry:
    return ScheduleEntry(letter.subscription, envelope, body, delay=timedelta(0), attempt=1, why="replay")
