"""Defines the invariants of a marketplace at rest: nothing waits, and there are no dead letters."""

from collections.abc import Callable

from infra.lab.audit.evidence import Evidence, Row
from infra.lab.audit.findings import Findings
from infra.lab.audit.invariants.events import CLOCKS_DIFFER, poison


def queues_are_empty(found: Evidence) -> Findings:
    """No queue has ready or unacknowledged messages."""
    for queue in found.queues:
        if queue.ready or queue.unacknowledged:
            yield {"queue": queue.name, "ready": queue.ready, "unacknowledged": queue.unacknowledged}


def outboxes_are_drained(found: Evidence) -> Findings:
    """Every committed event was published and confirmed."""
    for service, books in found.books.items():
        if books.pending:
            yield {"service": service, "pending": books.pending}


def nothing_waits(found: Evidence) -> Findings:
    """No retry is scheduled, no message is parked, no deadline is overdue, and no external call is in progress."""
    for service, books in found.books.items():
        for row in books.scheduled:
            entry = {name: str(row[name]) for name in ("subscription", "type", "event_id", "why")}
            yield {"service": service, **entry, "attempt": row["attempt"]}
        if books.claims:
            yield {"service": service, "claims": books.claims}


def nothing_died(found: Evidence) -> Findings:
    """There are no dead letters, except for messages that a recorded fault injected, which are counted."""
    injected = was_injected(found)
    for service, books in found.books.items():
        for row in books.dead:
            if not injected(row):
                names = ("subscription", "type", "event_id", "reason", "error")
                yield {"service": service, **{name: str(row[name]) for name in names}}


def was_injected(found: Evidence) -> Callable[[Row], bool]:
    """Return a predicate that is true for dead letters that a recorded fault injected.

    These are poison messages, and messages that are no events, have no user id and became dead letters after a
    `malformed` fault began. There is no upper time limit: the dead letter is stored only once the consumer is up.
    """
    poisoned = {key[0] for key in found.wrong if poison(found, found.log.events[key])}
    began = [fault.began for fault in found.record.faults if fault.kind == "malformed"]
    first = min(began, default=float("inf")) - CLOCKS_DIFFER.total_seconds()

    def injected(row: Row) -> bool:
        if row["event_id"] is not None:
            return row["event_id"] in poisoned
        return not row["publisher"] and row["filed_at"].timestamp() >= first

    return injected
