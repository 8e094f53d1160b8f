"""What the log lacks because the broker died.

RabbitMQ 3.10 confirms the first publishes after a crash although the stream does not take them yet; queues do (see
docs/adr/0032). The log is a witness: where all else tells that an event was published, and a recorded fault why the log
does not know, that is counted and no violation.
"""

from dataclasses import replace

from infra.lab.audit.evidence import Evidence, Unlogged
from infra.lab.audit.log import Log

DEATHS = ("kill", "stop", "restart")
SETTLE_S = 10.0
"""After its start the broker may go on for so long to confirm what the stream does not take; 1 s was seen."""
UNCONFIRMED_S = 8.0
"""A publish waits for its confirm for so long: if the broker dies meanwhile, the event is published again after that,
also one that was handled already, or that nobody hears."""


def fill(found: Evidence) -> Evidence:
    """The same with a log that lacks nothing which a recorded death of the broker explains.

    What is filled in has no copies. Nothing is excused where who hears it, or what was broken, is not known.
    """
    if not found.unread.keys().isdisjoint(("queues", "record")):
        return found
    gaps = {(each.said.id, each.said.type): each.said for each in found.unlogged if explained(found, each)}
    return replace(found, log=Log({**found.log.events, **gaps}, found.log.strange)) if gaps else found


def explained(found: Evidence, lost: Unlogged) -> bool:
    """Whether the broker was down between the event's commit and its confirm, and everyone has handled it.

    Nobody knows when it was confirmed: at most some seconds after its first effect, or its commit if nobody hears it.
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
