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
from infra.lab.audit.log import Said, Strange
from marketplace_runtime.events import name_of

CLOCKS_DIFFER = timedelta(seconds=5)
BECAUSE = {
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
IN_VERSIONS = {
    name: versions
    for name in {name_of(event.type) for event in EVENTS}
    if len(versions := [event for event in EVENTS if name_of(event.type) == name and not event.internal]) > 1
}
"""Public events that have more than one version."""


def one_id_one_body(found: Evidence) -> Findings:
    """All published copies of an event have the same body."""
    for said in found.log.events.values():
        if len(said.digests) > 1:
            yield {"event_id": str(said.id), "type": said.type, "bodies": len(said.digests), "copies": said.copies}


def events_are_authentic(found: Evidence) -> Findings:
    """Every message in the log is a valid event, published by the service that owns its type.

    Invalid messages that a recorded fault injected are allowed, and counted.
    """
    for key, wrong in found.wrong.items():
        said = found.log.events[key]
        if not poison(found, said):
            yield {"event_id": str(said.id), "type": said.type, "user": said.user, "wrong": wrong}
    for strange in found.log.strange:
        if not malformed(found, strange):
            yield {"exchange": strange.exchange, "message": strange.why}


def said_is_in_the_outbox(found: Evidence) -> Findings:
    """The events that a service published are exactly those in its outbox, with the same bytes.

    Poison messages that a recorded fault published in a service's name are allowed, and counted.
    """
    kept = {key: digest for books in found.books.values() for key, digest in books.outbox.items()}
    for key, said in found.log.events.items():
        if key not in kept:
            if not (key in found.wrong and poison(found, said)):
                yield {"event_id": str(said.id), "type": said.type, "published": True, "committed": False}
        elif kept[key] not in said.digests:
            yield {"event_id": str(said.id), "type": said.type, "same_body": False}
    for key in kept.keys() - found.log.events.keys():
        yield {"event_id": str(key[0]), "type": key[1], "published": False, "committed": True}


def every_event_took_effect(found: Evidence) -> Findings:
    """Every subscription that is bound to an event's type has handled the event, or has it as a dead letter."""
    heard: dict[str, list[tuple[str, str]]] = {}
    for queue in found.queues:
        for type in queue.types:
            heard.setdefault(type, []).append((queue.service, queue.subscription))
    filed = {
        (service, row["subscription"], row["event_id"]) for service, books in found.books.items() for row in books.dead
    }
    for said in found.log.events.values():
        for service, subscription in heard.get(said.type, []):
            books = found.books.get(service)
            known = books is not None and (subscription, said.id) in books.inbox
            if not known and (service, subscription, said.id) not in filed:
                where = f"{service}.{subscription}"
                yield {"event_id": str(said.id), "type": said.type, "not_handled_by": where}


def causes_come_first(found: Evidence) -> Findings:
    """No event is older than the event that caused it.

    If an event of an order must be preceded by another, that one was published and is not newer."""
    by_id = {said.id: said for said in found.log.events.values()}
    first: dict[tuple[str, str], datetime] = {}
    for said in by_id.values():
        what = said.subject, said.name
        first[what] = min(said.at, first.get(what, said.at))
    for said in by_id.values():
        cause = by_id.get(said.cause) if said.cause else None
        if cause is not None and said.at + CLOCKS_DIFFER < cause.at:
            yield {"event_id": str(said.id), "type": said.type, "older_than_its_cause": str(cause.id)}
        for needed in BECAUSE.get(said.name, ()):
            began = first.get((said.subject, needed))
            if began is None:
                yield {"order_id": said.subject, "type": said.type, "without": needed}
            elif said.at + CLOCKS_DIFFER < began:
                yield {"order_id": said.subject, "type": said.type, "older_than": needed}


def versions_agree(found: Evidence) -> Findings:
    """All versions of an event agree in their values.

    The event was published in every version that was supported at that time."""
    facts: dict[UUID, list[Said]] = {}
    for key, said in found.log.events.items():
        if said.name in IN_VERSIONS and key not in found.wrong:
            facts.setdefault(said.id, []).append(said)
    for versions in facts.values():
        new = max(versions, key=_version)
        known = {said.type for said in versions}
        promised = [each for each in IN_VERSIONS[new.name] if each.version < _version(new)]
        for each in promised:
            if each.type not in known and (each.deprecated is None or new.at.date() <= each.deprecated):
                yield {"event_id": str(new.id), "said": new.type, "not_said": each.type}
        for said in versions:
            if not _stated(said).items() <= _stated(new).items():
                yield {"event_id": str(new.id), "type": said.type, "states_other_than": new.type}


def _version(said: Said) -> int:
    return BY_TYPE[said.type].version


def _stated(said: Said) -> dict[str, Any]:
    """Return an event's values in the newest version; empty if it cannot be read in that version."""
    with suppress(ValidationError):
        return upcast_to_newest(BY_TYPE[said.type].model_validate_json(said.raw)).model_dump(exclude_none=True)
    return {}


def malformed(found: Evidence, strange: Strange) -> bool:
    """Whether a recorded fault published this message: without a user id, and before the fault had ended."""
    return strange.user is None and any(
        (fault.kind, fault.part) == ("malformed", strange.publisher)
        and (fault.ended is None or strange.after <= fault.ended + CLOCKS_DIFFER.total_seconds())
        for fault in found.record.faults
    )


def poison(found: Evidence, said: Said) -> bool:
    """Whether a fault that was recorded for that time published this event in the name of its service."""
    at = said.at.timestamp()
    return any(
        (fault.kind, fault.part) == ("poison", said.user) and fault.overlaps(at, at) for fault in found.record.faults
    )
