"""Defines the invariants of events, checked against the log stream."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from contracts.registry import BY_TYPE, EVENTS
from contracts.upcasts import upcast_to_newest
from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings
from infra.lab.audit.log import InvalidMessage, PublishedEvent
from marketplace_runtime.events import without_version

MAX_CLOCK_SKEW = timedelta(seconds=5)
REQUIRED_PREDECESSORS = {
    "checkout.order-placed": ("cart.cart-checked-out",),
    "catalog.stock-reserved": ("checkout.order-placed",),
    "catalog.stock-rejected": ("checkout.order-placed",),
    "checkout.order-confirmed": ("catalog.stock-reserved", "checkout.payment-captured"),
    "delivery.shipment-scheduled": ("checkout.order-confirmed",),
    "delivery.shipment-dispatched": ("delivery.shipment-scheduled",),
    "delivery.shipment-delivered": ("delivery.shipment-dispatched",),
    "checkout.order-delivered": ("delivery.shipment-delivered",),
    "checkout.payment-refunded": ("checkout.order-cancelled", "checkout.payment-captured"),
    "catalog.stock-released": ("checkout.order-cancelled", "catalog.stock-reserved"),
}
"""Events that must have been published before, about the same order."""
VERSIONED_EVENTS = {
    name: versions
    for name in {without_version(event.type) for event in EVENTS}
    if len(versions := [event for event in EVENTS if without_version(event.type) == name and not event.internal]) > 1
}
"""Public events that have more than one version."""


def one_id_one_body(evidence: Evidence) -> Findings:
    """All published copies of an event have the same body."""
    for published in evidence.log.events.values():
        if len(published.digests) > 1:
            yield {
                "event_id": str(published.id),
                "type": published.type,
                "bodies": len(published.digests),
                "copies": published.copies,
            }


def events_are_authentic(evidence: Evidence) -> Findings:
    """Every message in the log is a valid event, published by the service that owns its type.

    Invalid messages that a recorded fault injected are allowed, and counted.
    """
    for key, wrong in evidence.invalid_events.items():
        published = evidence.log.events[key]
        if not is_injected_poison(evidence, published):
            yield {"event_id": str(published.id), "type": published.type, "user": published.user, "wrong": wrong}
    for invalid_message in evidence.log.invalid_messages:
        if not is_injected_malformed(evidence, invalid_message):
            yield {"exchange": invalid_message.exchange, "message": invalid_message.why}


def said_is_in_the_outbox(evidence: Evidence) -> Findings:
    """The events that a service published are exactly those in its outbox, with the same bytes.

    Poison messages that a recorded fault published in a service's name are allowed, and counted.
    """
    committed = {
        key: digest
        for messaging_tables in evidence.messaging_tables.values()
        for key, digest in messaging_tables.outbox.items()
    }
    for key, published in evidence.log.events.items():
        if key not in committed:
            if not (key in evidence.invalid_events and is_injected_poison(evidence, published)):
                yield {"event_id": str(published.id), "type": published.type, "published": True, "committed": False}
        elif committed[key] not in published.digests:
            yield {"event_id": str(published.id), "type": published.type, "same_body": False}
    for key in committed.keys() - evidence.log.events.keys():
        yield {"event_id": str(key[0]), "type": key[1], "published": False, "committed": True}


def every_event_took_effect(evidence: Evidence) -> Findings:
    """Every subscription that is bound to an event's type has handled the event, or has it as a dead letter."""
    subscribed: dict[str, list[tuple[str, str]]] = {}
    for queue in evidence.queues:
        for type in queue.types:
            subscribed.setdefault(type, []).append((queue.service, queue.subscription))
    dead_lettered = {
        (service, row["subscription"], row["event_id"])
        for service, messaging_tables in evidence.messaging_tables.items()
        for row in messaging_tables.dead
    }
    for published in evidence.log.events.values():
        for service, subscription in subscribed.get(published.type, []):
            messaging_tables = evidence.messaging_tables.get(service)
            handled = messaging_tables is not None and (subscription, published.id) in messaging_tables.inbox
            if not handled and (service, subscription, published.id) not in dead_lettered:
                where = f"{service}.{subscription}"
                yield {"event_id": str(published.id), "type": published.type, "not_handled_by": where}


def causes_come_first(evidence: Evidence) -> Findings:
    """No event is older than the event that caused it.

    For each event of an order, the events that must precede it were published, and are not newer."""
    by_id = {published.id: published for published in evidence.log.events.values()}
    first_published: dict[tuple[str, str], datetime] = {}
    for published in by_id.values():
        key = published.subject, published.name
        first_published[key] = min(published.at, first_published.get(key, published.at))
    for published in by_id.values():
        cause = by_id.get(published.cause) if published.cause else None
        if cause is not None and published.at + MAX_CLOCK_SKEW < cause.at:
            yield {"event_id": str(published.id), "type": published.type, "older_than_its_cause": str(cause.id)}
        for needed in REQUIRED_PREDECESSORS.get(published.name, ()):
            preceded_at = first_published.get((published.subject, needed))
            if preceded_at is None:
                yield {"order_id": published.subject, "type": published.type, "without": needed}
            elif published.at + MAX_CLOCK_SKEW < preceded_at:
                yield {"order_id": published.subject, "type": published.type, "older_than": needed}


def versions_agree(evidence: Evidence) -> Findings:
    """All versions of an event agree in their values.

    The event was published in every version that was supported at that time."""
    versions_by_id: dict[UUID, list[PublishedEvent]] = {}
    for key, published in evidence.log.events.items():
        if published.name in VERSIONED_EVENTS and key not in evidence.invalid_events:
            versions_by_id.setdefault(published.id, []).append(published)
    for versions in versions_by_id.values():
        newest = max(versions, key=_version)
        known = {published.type for published in versions}
        supported = [each for each in VERSIONED_EVENTS[newest.name] if each.version < _version(newest)]
        for each in supported:
            if each.type not in known and (each.deprecated is None or newest.at.date() <= each.deprecated):
                yield {"event_id": str(newest.id), "said": newest.type, "not_said": each.type}
        for published in versions:
            if not _newest_values(published).items() <= _newest_values(newest).items():
                yield {"event_id": str(newest.id), "type": published.type, "states_other_than": newest.type}


def _version(published: PublishedEvent) -> int:
    return BY_TYPE[published.type].version


def _newest_values(published: PublishedEvent) -> dict[str, Any]:
    """Return an event's values in the newest version; empty if it cannot be read in that version."""
    with suppress(ValidationError):
        return upcast_to_newest(BY_TYPE[published.type].model_validate_json(published.raw)).model_dump(
            exclude_none=True
        )
    return {}


def is_injected_malformed(evidence: Evidence, invalid_message: InvalidMessage) -> bool:
    """Whether a recorded fault published this message: without a user id, and before the fault had ended."""
    return invalid_message.user is None and any(
        (fault.kind, fault.part) == ("malformed", invalid_message.publisher)
        and (fault.ended is None or invalid_message.published_after <= fault.ended + MAX_CLOCK_SKEW.total_seconds())
        for fault in evidence.record.faults
    )


def is_injected_poison(evidence: Evidence, published: PublishedEvent) -> bool:
    """Whether a fault that was recorded for that time published this event in the name of its service."""
    at = published.at.timestamp()
    return any(
        (fault.kind, fault.part) == ("poison", published.user) and fault.overlaps(at, at)
        for fault in evidence.record.faults
    )
