"""Invariants of events, by the audit's own capture of the log."""

from datetime import timedelta
from uuid import UUID

from pydantic import ValidationError

from contracts.catalogue import BY_TYPE
from infra.audit.evidence import Evidence
from infra.audit.findings import Findings

CLOCKS_DIFFER = timedelta(seconds=5)
INJECTED = ("malformed", "poison", "message")
"""Faults that put messages of nobody's into the exchanges."""
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
    """Every message in the log is an event that fits its contract, said by the service that owns it."""
    for said in found.log.events.values():
        wrong = why_wrong(found, said.id, said.type)
        if wrong and not injected(found):
            yield {"event_id": str(said.id), "type": said.type, "user": said.user, "wrong": wrong}
    if not injected(found):
        for strange in found.log.strange:
            yield {"message": strange}


def said_is_in_the_outbox(found: Evidence) -> Findings:
    """What was published is what its service committed: event by event and byte by byte."""
    kept = {key: digest for books in found.books.values() for key, digest in books.outbox.items()}
    for key, said in found.log.events.items():
        if key not in kept and not injected(found):
            yield {"event_id": str(said.id), "type": said.type, "published": True, "committed": False}
        elif key in kept and kept[key] not in said.digests:
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
            if not known and (service, subscription, said.id) not in filed and not why_wrong(found, said.id, said.type):
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


def why_wrong(found: Evidence, id: UUID, type: str) -> str | None:
    """What is wrong with an event of the log, if anything is."""
    said = found.log.events[id, type]
    contract = BY_TYPE.get(type)
    if contract is None or contract.internal:
        return "nobody says events of this type"
    if said.user != contract.publisher:
        return f"published by {said.user}"
    try:
        event = contract.model_validate_json(said.raw)
    except ValidationError as error:
        return f"{error.error_count()} errors in its body"
    return None if event.subject == said.subject else f"its subject is {event.subject}"


def injected(found: Evidence) -> bool:
    """Whether messages of nobody's were put in on purpose."""
    return any(fault.kind.startswith(INJECTED) for fault in found.record.faults)
