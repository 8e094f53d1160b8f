"""Decodes a message or a row of the schedule into a delivery, or into the reason why it is unreadable."""

from datetime import UTC, datetime

from marketplace_runtime.amqp import (
    IncomingMessage,
    InvalidMessage,
    envelope_of,
)
from marketplace_runtime.consumer import publisher_clocks
from marketplace_runtime.consumer.delivery import SUSPECT_AFTER_DEATHS, Delivery, UnreadableMessage
from marketplace_runtime.consumer.subscriptions import Reaction, Subscription
from marketplace_runtime.database import ScheduleEntry, find_id_defect, is_ahead
from marketplace_runtime.events import Envelope, without_version


def decode_message(
    message: IncomingMessage, subscription: Subscription, now: datetime | None = None
) -> Delivery | UnreadableMessage:
    """Decode a message into an event for this subscription, or into the reason why it is not one. Never raises.

    Pass the database's time as `now` where it is available. The default is this machine's clock, which may be wrong.
    """
    try:
        envelope = envelope_of(message.properties, len(message.body))
        _require_deduplicable(envelope, now or datetime.now(UTC))
        reaction = reaction_to(envelope.type, subscription)
    except InvalidMessage as why:
        return UnreadableMessage(message, why)
    except Exception as error:  # noqa: BLE001 - no unexpected error may drop a message
        return UnreadableMessage(message, InvalidMessage("unreadable", f"{type(error).__name__}: {error}"))
    deaths = message.redeliveries
    return Delivery(
        envelope, message.body, reaction, message=message, deaths=deaths, is_suspect=deaths >= SUSPECT_AFTER_DEATHS
    )


def _require_deduplicable(envelope: Envelope, now: datetime) -> None:
    """Raise `InvalidMessage` if the event's id is too old, or too far in the future, for the partitions of the inbox.

    Without an inbox row, a duplicate of the event would be handled again.

    Also reports the publisher if its clock runs ahead by more than `publisher_clocks.MAX_CLOCK_AHEAD`.
    """
    if is_ahead(envelope.id, now, publisher_clocks.MAX_CLOCK_AHEAD):
        # A UUIDv7 begins with its time in milliseconds. It is not converted to a datetime: a wrong one could overflow.
        ahead_s = (envelope.id.int >> 80) / 1000 - now.timestamp()
        publisher_clocks.report(envelope.type.partition(".")[0], ahead_s)
    wrong = find_id_defect(envelope.id, now)
    if wrong is not None:
        raise InvalidMessage(*wrong)


def reaction_to(type: str, subscription: Subscription) -> Reaction:
    """Return the subscription's reaction to events of `type`.

    An unknown version of a known event gets a reaction whose `read` raises `UnknownVersion`.
    Raises `InvalidMessage` if the subscription knows no version of the event.
    """
    reaction = subscription.reactions.get(type)
    if reaction is not None:
        return reaction
    known = subscription.versions(without_version(type))
    if not known:
        raise InvalidMessage("unknown-type", f"{type} is not handled by this subscription")
    return Reaction.for_unknown_version(type, known)


def decode_entry(entry: ScheduleEntry, subscription: Subscription) -> Delivery:
    """Return a due row of the schedule as a delivery."""
    return Delivery(
        envelope=entry.envelope,
        body=entry.body,
        reaction=reaction_to(entry.envelope.type, subscription),
        attempt=entry.attempt,
        failed_at=entry.failed_at,
        entry_id=entry.id,
        deaths=entry.deaths,
        is_suspect=entry.deaths >= SUSPECT_AFTER_DEATHS,
        key=entry.key,
        in_key_queue=entry.key is not None,
    )
