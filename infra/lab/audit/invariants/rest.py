"""Defines the invariants of a marketplace at rest: nothing waits, and there are no dead letters."""

from collections.abc import Callable

from infra.lab.audit.evidence import Evidence, Row
from infra.lab.audit.findings import Findings
from infra.lab.audit.invariants.events import MAX_CLOCK_SKEW, is_injected_poison


def queues_are_empty(evidence: Evidence) -> Findings:
    """No queue has ready or unacknowledged messages."""
    for queue in evidence.queues:
        if queue.ready or queue.unacknowledged:
            yield {"queue": queue.name, "ready": queue.ready, "unacknowledged": queue.unacknowledged}


def outboxes_are_drained(evidence: Evidence) -> Findings:
    """Every committed event was published and confirmed."""
    for service, messaging_tables in evidence.messaging_tables.items():
        if messaging_tables.pending:
            yield {"service": service, "pending": messaging_tables.pending}


def nothing_waits(evidence: Evidence) -> Findings:
    """No retry is scheduled, no message is parked, no deadline is overdue, and no external call is in progress."""
    for service, messaging_tables in evidence.messaging_tables.items():
        for row in messaging_tables.scheduled:
            entry = {name: str(row[name]) for name in ("subscription", "type", "event_id", "why")}
            yield {"service": service, **entry, "attempt": row["attempt"]}
        if messaging_tables.claims:
            yield {"service": service, "claims": messaging_tables.claims}


def nothing_died(evidence: Evidence) -> Findings:
    """There are no dead letters, except for messages that a recorded fault injected, which are counted."""
    injected = make_injection_check(evidence)
    for service, messaging_tables in evidence.messaging_tables.items():
        for row in messaging_tables.dead:
            if not injected(row):
                names = ("subscription", "type", "event_id", "reason", "error")
                yield {"service": service, **{name: str(row[name]) for name in names}}


def make_injection_check(evidence: Evidence) -> Callable[[Row], bool]:
    """Return a predicate that is true for dead letters that a recorded fault injected.

    These are poison messages, and messages that are no events, have no user id and became dead letters after a
    `malformed` fault began. There is no upper time limit: the dead letter is stored only once the consumer is up.
    """
    poisoned = {key[0] for key in evidence.invalid_events if is_injected_poison(evidence, evidence.log.events[key])}
    began = [fault.began for fault in evidence.record.faults if fault.kind == "malformed"]
    first = min(began, default=float("inf")) - MAX_CLOCK_SKEW.total_seconds()

    def injected(row: Row) -> bool:
        if row["event_id"] is not None:
            return row["event_id"] in poisoned
        return not row["publisher"] and row["filed_at"].timestamp() >= first

    return injected
