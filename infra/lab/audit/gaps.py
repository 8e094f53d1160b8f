"""Completes the log with events that it lacks because the broker died.

In the first seconds after a crash, RabbitMQ 3.10 confirms published events that it stores in the subscriptions' queues
but not in the log stream, whose leader is not up yet (see docs/adr/0032). The log is only one of several sources. If
all others show that an event was published, and a recorded fault explains its absence from the log, the gap is counted
and is no violation.
"""

from dataclasses import replace

from infra.lab.audit.evidence import Evidence, Unlogged
from infra.lab.audit.log import Log

TERMINATIONS = ("kill", "stop", "restart")
SETTLE_S = 10.0
"""Seconds after its start in which the broker may confirm publishes that the stream does not accept. 1 s was seen."""
CONFIRM_TIMEOUT_S = 8.0
"""Seconds that the relay waits for a confirm. If the broker dies in this time, the relay publishes the event again
after the broker's restart, when the stream may not accept it. Subscriptions may have handled the first copy by then."""


def fill_log_gaps(evidence: Evidence) -> Evidence:
    """Return the evidence with the log's gaps filled, as far as a recorded death of the broker explains them.

    Events that are filled in have `copies == 0`, since no copy is in the log. Without the queues' bindings or the
    record, nothing is filled in.
    """
    if not evidence.unread.keys().isdisjoint(("queues", "record")):
        return evidence
    gaps = {
        (each.published.id, each.published.type): each.published
        for each in evidence.unlogged
        if is_explained_by_fault(evidence, each)
    }
    return (
        replace(evidence, log=Log({**evidence.log.events, **gaps}, evidence.log.invalid_messages)) if gaps else evidence
    )


def is_explained_by_fault(evidence: Evidence, missing: Unlogged) -> bool:
    """Whether the broker was down between the event's commit and its confirm, and every subscription has handled it.

    The time of the confirm is unknown. It is at most a few seconds after the event was first handled or, if no
    subscription receives it, after its commit.
    """
    subscribed = {
        (queue.service, queue.subscription) for queue in evidence.queues if missing.published.type in queue.types
    }
    committed = missing.published.at
    arrived = min(missing.handled.values(), default=committed)
    return subscribed <= missing.handled.keys() and any(
        fault.part == "broker"
        and fault.kind in TERMINATIONS
        and fault.overlaps(committed.timestamp() - SETTLE_S, arrived.timestamp() + CONFIRM_TIMEOUT_S)
        for fault in evidence.record.faults
    )
