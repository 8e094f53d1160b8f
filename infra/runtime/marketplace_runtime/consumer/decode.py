"""Decode: from a message or a row of the schedule to a delivery, or the reason why it is unreadable."""

from datetime import UTC, datetime

from marketplace_runtime.amqp import (
    IncomingMessage,
    Invalid,
    envelope_of,
)
from marketplace_runtime.consumer import publisher_clocks
from marketplace_runtime.consumer.delivery import SUSPECT_AFTER, Delivery, Unreadable
from marketplace_runtime.consumer.subscriptions import Reaction, Subscription
from marketplace_runtime.database import Entry, is_ahead, why_unusable
from marketplace_runtime.events import Envelope, name_of


def read(message: IncomingMessage, subscription: Subscription, now: datetime | None = None) -> Delivery | Unreadable:
    """Return a message as an event for this subscription, or why it is none; never raises.

    `now` is the database's time, where it is at hand: this machine's clock may be wrong.
    """
    try:
        envelope = envelope_of(message.properties, len(message.body))
        _require_deduplicable(envelope, now or datetime.now(UTC))
        reaction = reaction_to(envelope.type, subscription)
    except Invalid as why:
        return Unreadable(message, why)
    except Exception as error:  # noqa: BLE001 - no message may be dropped because nobody foresaw it
        return Unreadable(message, Invalid("unreadable", f"{type(error).__name__}: {error}"))
    deaths = message.redeliveries
    return Delivery(envelope, message.body, reaction, message=message, deaths=deaths, suspect=deaths >= SUSPECT_AFTER)


def _require_deduplicable(envelope: Envelope, now: datetime) -> None:
    """Raise `Invalid` if the inbox has no partition for this event. Reports a publisher whose clock is ahead."""
    if is_ahead(envelope.id, now, publisher_clocks.TOLERATED):
        ahead_s = (envelope.id.int >> 80) / 1000 - now.timestamp()  # it may lie beyond the calendar
        publisher_clocks.report(envelope.type.partition(".")[0], ahead_s)
    wrong = why_unusable(envelope.id, now)
    if wrong is not None:
        raise Invalid(*wrong)


def reaction_to(type: str, subscription: Subscription) -> Reaction:
    """Look `type` up. Raises `Invalid` if the subscription knows no version of it."""
    reaction = subscription.reactions.get(type)
    if reaction is not None:
        return reaction
    known = subscription.versions(name_of(type))
    if not known:
        raise Invalid("unknown-type", f"{type} is not heard here")
    return Reaction.unknown(type, known)


def from_entry(entry: Entry, subscription: Subscription) -> Delivery:
    """What the schedule holds, on its next run."""
    return Delivery(
        envelope=entry.envelope,
        body=entry.body,
        reaction=reaction_to(entry.envelope.type, subscription),
        attempt=entry.attempt,
        failed_at=entry.failed_at,
        entry=entry.id,
        deaths=entry.deaths,
        suspect=entry.deaths >= SUSPECT_AFTER,
        key=entry.key,
        in_line=entry.key is not None,
    )
