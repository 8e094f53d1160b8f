"""Invariants of events, by the audit's own capture of the log."""

from datetime import timedelta

from infra.audit.evidence import Evidence
from infra.audit.findings import Findings
from infra.audit.log import Said

CLOCKS_DIFFER = timedelta(seconds=5)
BECAUSE = {
    "checkout.order-placed.v1": ("cart.cart-checked-out.v1",),
    "catalog.stock-reserved.v1": ("checkout.order-placed.v1",),
    "catalog.stock-rejected.v1": ("checkout.order-placed.v1",),
    "checkout.order-confirmed.v1": ("catalog.stock-reserved.v1", "checkout.payment-captured.v1"),
    "delivery.shipment-scheduled.v1": ("checkout.order-confirmed.v1",),
    "delivery.shipment-dispatched.v1": ("delivery.shipment-scheduled.v1",),
    "delivery.shipment-delivered.v1": ("delivery.shipment-dispatched.v1",),
    "checkout.order-delivered.v1": ("delivery.shipment-delivered.v1",),
    "checkout.payment-refunded.v1": ("checkout.order-cancelled.v1", "checkout.payment-captured.v1"),
    "catalog.stock-released.v1": ("checkout.order-cancelled.v1", "catalog.stock-reserved.v1"),
}
"""What must have been said of an order before."""


def one_id_one_body(found: Evidence) -> Findings:
    """However often an event was published, every copy has the same body."""
    for said in found.log.events.values():
        if len(said.digests) > 1:
            yield {"event_id": str(said.id), "type": said.type, "bodies": len(said.digests), "copies": said.copies}


def events_are_authentic(found: Evidence) -> Findings:
    """Every message in the log is an event that fits its contract, said by the service that owns it.

    Allowed, and counted, is what a recorded fault put into a service's exchange to be refused.
    """
    faults = {(fault.kind, fault.part) for fault in found.record.faults}
    for key, wrong in found.wrong.items():
        said = found.log.events[key]
        if not poison(found, said):
            yield {"event_id": str(said.id), "type": said.type, "user": said.user, "wrong": wrong}
    for strange in found.log.strange:
        if ("malformed", strange.publisher) not in faults:
            yield {"exchange": strange.exchange, "message": strange.why}


def said_is_in_the_outbox(found: Evidence) -> Findings:
    """What was published is what its service committed: event by event and byte by byte.

    Allowed, and counted, is poison that a recorded fault published in its service's name.
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
    """Every event was handled by every subscription that the broker gives it to, or is filed there as dead."""
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
    """No event is older than the one that led to it, and none of an order's lacks what must have come before."""
    by_id = {said.id: said for said in found.log.events.values()}
    subjects: dict[str, set[str]] = {}
    for said in by_id.values():
        subjects.setdefault(said.subject, set()).add(said.type)
    for said in by_id.values():
        cause = by_id.get(said.cause) if said.cause else None
        if cause is not None and said.at + CLOCKS_DIFFER < cause.at:
            yield {"event_id": str(said.id), "type": said.type, "older_than_its_cause": str(cause.id)}
        for needed in BECAUSE.get(said.type, ()):
            if needed not in subjects[said.subject]:
                yield {"order_id": said.subject, "type": said.type, "without": needed}


def poison(found: Evidence, said: Said) -> bool:
    """Whether a recorded fault published this in the name of its service, just then."""
    at = said.at.timestamp()
    return any(
        (fault.kind, fault.part) == ("poison", said.user) and fault.overlaps(at, at) for fault in found.record.faults
    )
