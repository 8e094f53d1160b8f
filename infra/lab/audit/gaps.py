"""Completes the log with events that it lacks because the broker died.

After a crash, RabbitMQ 3.10 confirms the first publishes although the stream does not accept them yet; queues do (see
docs/adr/0032). The log is only one of several sources. If all others show that an event was published, and a recorded
fault explains its absence from the log, the gap is counted and is no violation.
"""

from dataclasses import replace

from infra.lab.audit.evidence import Evidence, Unlogged
from infra.lab.audit.log import Log

DEATHS = ("kill", "stop", "restart")
SETTLE_S = 10.0
"""Seconds after its start in which the broker may confirm publishes that the stream does not accept. 1 s was seen."""
UNCONFIRMED_S = 8.0
"""Seconds that a publisher waits for a confirm. If the broker dies meanwhile, the event is published again
afterwards, even if it was already handled or no subscription receives it."""


def fill(found: Evidence) -> Evidence:
    """Return the evidence with the log's gaps filled, as far as a recorded death of the broker explains them.

    Events that are filled in have no copies. Without the queues' bindings or the record, nothing is filled in.
    """
    if not found.unread.keys().isdisjoint(("queues", "record")):
        return found
    gaps = {(each.said.id, each.said.type): each.said for each in found.unlogged if explained(found, each)}
    return replace(found, log=Log({**found.log.events, **gaps}, found.log.strange)) if gaps else found


def explained(found: Evidence, lost: Unlogged) -> bool:
    """Whether the broker was down between the event's commit and its confirm, and every subscription has handled it.

    The time of the confirm is unknown. It is at most a few seconds after the event was first handled or, if no
    subscription receives it, after its commit.
    """
    heard = {(queue.service, queue.subscription) for queue in found.queues if lost.said.type in queue.types}
    committed = lost.said.at
    arrived = min(lost.handled.values(), default=committed)
    return heard <= lost.handled.keys() and any(
        fault.part == "broker"
        and fault.kind in DEATHS
        and fault.overlaps(committed.timestamp() - SETTLE_S, arrived.timestamp() + UNCONFIRMED_S)
        for fault in found.record.faults
    )
