"""Incidents: what went wrong with an event on its way, kept for whoever asks for its story."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from marketplace_runtime.database import Transaction, has_partition
from marketplace_runtime.events import storable

KEPT_ATTEMPTS = 10
"""Of each message and subscription, the first so many attempts are kept, and the latest."""

FORGET = """
delete from messaging.incidents as i
using unnest($1::uuid[], $2::text[]) as r (event_id, subscription)
where i.event_id = r.event_id and i.subscription = r.subscription and i.what = 'failed' and i.attempt > $3
"""

INSERT = """
insert into messaging.incidents (event_id, subscription, type, what, attempt, why)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[])
"""


@dataclass(frozen=True, slots=True)
class Incident:
    """A run that failed, was put off or was given up, or a delivery of what was handled before."""

    event_id: UUID
    subscription: str
    type: str
    what: Literal["failed", "duplicate"]
    attempt: int
    why: str


async def note(tx: Transaction, incidents: Sequence[Incident]) -> None:
    """Keep `incidents`, with the transaction's time; of a message that goes on failing, a bounded number.

    Those of events from outside the horizon, which may wait in the schedule, are left out: they may have no partition.
    """
    now = tx.now
    kept = [each for each in incidents if has_partition(each.event_id, now)]
    if not kept:
        return
    late = [each for each in kept if each.what == "failed" and each.attempt > KEPT_ATTEMPTS]
    if late:
        ids, names = [each.event_id for each in late], [each.subscription for each in late]
        await tx.execute(FORGET, ids, names, KEPT_ATTEMPTS)
    await tx.execute(
        INSERT,
        [each.event_id for each in kept],
        [each.subscription for each in kept],
        [each.type for each in kept],
        [each.what for each in kept],
        [each.attempt for each in kept],
        [storable(each.why[:1000]) for each in kept],
    )
