"""Invariants of a marketplace at rest: nothing waits, and nothing died."""

from infra.audit.evidence import Evidence
from infra.audit.findings import Findings
from infra.audit.invariants.events import poison


def queues_are_empty(found: Evidence) -> Findings:
    """No message waits in a queue, and none is out unacknowledged."""
    for queue in found.queues:
        if queue.ready or queue.unacknowledged:
            yield {"queue": queue.name, "ready": queue.ready, "unacknowledged": queue.unacknowledged}


def outboxes_are_drained(found: Evidence) -> Findings:
    """Every committed event was published and confirmed."""
    for service, books in found.books.items():
        if books.pending:
            yield {"service": service, "pending": books.pending}


def nothing_waits(found: Evidence) -> Findings:
    """Nothing is scheduled for retry or parked, no deadline is overdue, and no outside call is under way."""
    for service, books in found.books.items():
        for row in books.scheduled:
            entry = {name: str(row[name]) for name in ("subscription", "type", "event_id", "why")}
            yield {"service": service, **entry, "attempt": row["attempt"]}
        if books.claims:
            yield {"service": service, "claims": books.claims}


def nothing_died(found: Evidence) -> Findings:
    """No message is a dead letter, but for those that a recorded fault injected to be refused: these are counted."""
    poisoned = {key[0] for key in found.wrong if poison(found, found.log.events[key])}
    malformed = any(fault.kind == "malformed" for fault in found.record.faults)
    for service, books in found.books.items():
        for row in books.dead:
            if row["event_id"] not in poisoned and not (malformed and row["event_id"] is None):
                names = ("subscription", "type", "event_id", "reason", "error")
                yield {"service": service, **{name: str(row[name]) for name in names}}
