"""From a dead letter back to an event, for the one subscription that gave it up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from marketplace_runtime.amqp import PREFIX, USER, DeadLetter, Invalid, recorded_envelope
from marketplace_runtime.consumer import Delivery, Subscription, reaction_to
from marketplace_runtime.database import Entry, new_id
from marketplace_runtime.dead_letters.redrive import CannotRedrive
from marketplace_runtime.dead_letters.table import Kept
from marketplace_runtime.events import Envelope, Event
from marketplace_runtime.telemetry import current_traceparent


class LetterReader:
    """Turns dead letters into entries of the schedule, as far as a subscription of the service accepts them."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._subscriptions = {each.name: each for each in subscriptions}

    def entry(self, kept: Kept) -> Entry:
        """`kept` for the schedule, under its own id. It has to pass all that a message from the broker has to.

        Raises `CannotRedrive`.
        """
        letter = kept.letter
        try:
            envelope = _envelope(letter.headers, kept.size)
            self._event(letter.subscription, envelope, letter.body)
        except Invalid as why:
            raise CannotRedrive(f"{why.reason}: {why}. Edit it, or discard it.") from None
        return _due_now(letter, envelope, letter.body)

    def edited(self, letter: DeadLetter, body: bytes, type: str | None) -> Entry:
        """`letter` with another body, as an event of `type` or of its own type: the operator vouches for it.

        It keeps its id; what can't be read of its headers is made anew. Raises `CannotRedrive`.
        """
        type = type or letter.type
        if type is None:
            raise CannotRedrive("The letter does not say what type of event it is: name one in `type`.")
        owner = type.partition(".")[0]
        try:
            envelope = _envelope({**letter.headers, PREFIX + "type": type, USER: owner}, len(body))
        except Invalid:
            envelope = Envelope(new_id(), type, owner, "", datetime.now(UTC), current_traceparent())
        try:
            event = self._event(letter.subscription, envelope, body)
        except Invalid as why:
            raise CannotRedrive(f"{why.reason}: {why}.") from None
        return _due_now(letter, replace(envelope, subject=event.subject), body)

    def _event(self, name: str, envelope: Envelope, body: bytes) -> Event:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            raise CannotRedrive(f"There is no subscription {name!r} here any more. Discard it.")
        return Delivery(envelope, body, reaction_to(envelope.type, subscription)).event


def _envelope(headers: Mapping[str, Any], body_bytes: int) -> Envelope:
    """The envelope on file. Who published it was checked before, unless `USER` says who it was."""
    owner = str(headers.get(PREFIX + "type")).partition(".")[0]
    user = str(headers.get(USER, owner))
    envelope = recorded_envelope(headers, user, body_bytes)
    if envelope.id.version != 7:
        raise Invalid("unusable-id", f"event id {envelope.id} is no UUIDv7")
    return envelope


def _due_now(letter: DeadLetter, envelope: Envelope, body: bytes) -> Entry:
    return Entry(letter.subscription, envelope, body, delay=timedelta(0), attempt=1, why="replay")
