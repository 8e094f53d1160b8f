"""Defines the invariants of events, checked against the audit's own capture of the log."""

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
from marketplace_runtime.events import name_of

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
    for name in {name_of(event.type) for event in EVENTS}
    if len(versions := [event for event in EVENTS if name_of(event.type) == name and not event.internal]) > 1
}
"""Public events that have more than one version."""


def one_id_one_body(found: Evidence) -> Findings:
    """All published copies of an event have the same body."""
    for published in found.log.events.values():
        if len(published.digests) > 1:
            yield {
                "event_id": str(published.id),
                "type": published.type,
                "bodies": len(published.digests),
                "copies": published.copies,
            }


def events_are_authentic(found: Evidence) -> Findings:
    """Every message in the log is a valid event, published by the service that owns its type.

    Invalid messages that a recorded fault injected are allowed, and counted.
    """
    for key, wrong in found.invalid_events.items():
        published = found.log.events[key]
        if not is_injected_poison(found, published):
            yield {"event_id": str(published.id), "type": published.type, "user": published.user, "wrong": wrong}
    for invalid_message in found.log.invalid_messages:
        if not is_injected_malformed(found, invalid_message):
            yield {"exchange": invalid_message.exchange, "message": invalid_message.why}


def said_is_in_the_outbox(found: Evidence) -> Findings:
    """The events that a service published are exactly those in its outbox, with the same bytes.

    Poison messages that a recorded fault published in a service's name are allowed, and counted.
    """
    kept = {
        key: digest
        for messaging_tables in found.messaging_tables.values()
        for key, digest in messaging_tables.outbox.items()
    }
    for key, published in found.log.events.items():
        if key not in kept:
            if not (key in found.invalid_events and is_injected_poison(found, published)):
                yield {"event_id": str(published.id), "type": published.type, "published": True, "committed": False}
        elif kept[key] not in published.digests:
            yield {"event_id": str(published.id), "type": published.type, "same_body": False}
    for key in kept.keys() - found.log.events.keys():
        yield {"event_id": str(key[0]), "type": key[1], "published": False, "committed": True}


def every_event_took_effect(found: Evidence) -> Findings:
    """Every subscription that is bound to an event's type has handled the event, or has it as a dead letter."""
    subscribed: dict[str, list[tuple[str, str]]] = {}
    for queue in found.queues:
        for type in queue.types:
            subscribed.setdefault(type, []).append((queue.service, queue.subscription))
    dead_lettered = {
        (service, row["subscription"], row["event_id"])
        for service, messaging_tables in found.messaging_tables.items()
        for row in messaging_tables.dead
    }
    for published in found.log.events.values():
        for service, subscription in subscribed.get(published.type, []):
            messaging_tables = found.messaging_tables.get(service)
            known = messaging_tables is not None and (subscription, published.id) in messaging_tables.inbox
            if not known and (service, subscription, published.id) not in dead_lettered:
                where = f"{service}.{subscription}"
                yield {"event_id": str(published.id), "type": published.type, "not_handled_by": where}


def causes_come_first(found: Evidence) -> Findings:
    """No event is older than the event that caused it.

    If an event of an order must be preceded by another, that one was published and is not newer."""
    by_id = {published.id: published for published in found.log.events.values()}
    first: dict[tuple[str, str], datetime] = {}
    for published in by_id.values():
        what = published.subject, published.name
        first[what] = min(published.at, first.get(what, published.at))
    for published in by_id.values():
        cause = by_id.get(published.cause) if published.cause else None
        if cause is not None and published.at + MAX_CLOCK_SKEW < cause.at:
            yield {"event_id": str(published.id), "type": published.type, "older_than_its_cause": str(cause.id)}
        for needed in REQUIRED_PREDECESSORS.get(published.name, ()):
            began = first.get((published.subject, needed))
            if began is None:
                yield {"order_id": published.subject, "type": published.type, "without": needed}
            elif published.at + MAX_CLOCK_SKEW < began:
                yield {"order_id": published.subject, "type": published.type, "older_than": needed}


def versions_agree(found: Evidence) -> Findings:
    """All versions of an event agree in their values.

    The event was published in every version that was supported at that time."""
    facts: dict[UUID, list[PublishedEvent]] = {}
    for key, published in found.log.events.items():
        if published.name in VERSIONED_EVENTS and key not in found.invalid_events:
            facts.setdefault(published.id, []).append(published)
    for versions in facts.values():
        new = max(versions, key=_version)
        known = {published.type for published in versions}
        supported = [each for each in VERSIONED_EVENTS[new.name] if each.version < _version(new)]
        for each in supported:
            if each.type not in known and (each.deprecated is None or new.at.date() <= each.deprecated):
                yield {"event_id": str(new.id), "said": new.type, "not_said": each.type}
        for published in versions:
            if not _stated(published).items() <= _stated(new).items():
                yield {"event_id": str(new.id), "type": published.type, "states_other_than": new.type}


def _version(published: PublishedEvent) -> int:
    return BY_TYPE[published.type].version


def _stated(published: PublishedEvent) -> dict[str, Any]:
    """Return an event's values in the newest version; empty if it cannot be read in that version."""
    with suppress(ValidationError):
        return upcast_to_newest(BY_TYPE[published.type].model_validate_json(published.raw)).model_dump(
            exclude_none=True
        )
    return {}


def is_injected_malformed(found: Evidence, invalid_message: InvalidMessage) -> bool:
    """Whether a recorded fault published this message: without a user id, and before the fault had ended."""
    return invalid_message.user is None and any(
        (fault.kind, fault.part) == ("malformed", invalid_message.publisher)
        and (fault.ended is None or invalid_message.after <= fault.ended + MAX_CLOCK_SKEW.total_seconds())
        for fault in found.record.faults
    )


def is_injected_poison(found: Evidence, published: PublishedEvent) -> bool:
    """Whether a fault that was recorded for that time published this event in the name of its service."""
    at = published.at.timestamp()
    return any(
        (fault.kind, fault.part) == ("poison", published.user) and fault.overlaps(at, at)
        for fault in found.record.faults
    )
