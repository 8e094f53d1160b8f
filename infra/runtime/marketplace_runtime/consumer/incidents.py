"""Stores incidents: what went wrong with an event in a subscription. They are shown in the event's history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from marketplace_runtime.database import Transaction, has_daily_partition
from marketplace_runtime.events import make_storable

MAX_KEPT_ATTEMPTS = 10
"""Failed attempts kept per message and subscription: the first ones up to this number, and the latest."""

DELETE_LATE_ATTEMPTS = """
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
    """Records a run that failed, was postponed or was dead-lettered, or a delivery of an event handled before."""

    event_id: UUID
    subscription: str
    type: str
    what: Literal["failed", "duplicate"]
    attempt: int
    why: str


async def record(tx: Transaction, incidents: Sequence[Incident]) -> None:
    """Store `incidents` with the transaction's time. Keeps a bounded number for a message that goes on failing.

    Skips events whose id is too old, or too far in the future, to have a partition. The schedule may hold such events.
    """
    now = tx.now
    kept = [each for each in incidents if has_daily_partition(each.event_id, now)]
    if not kept:
        return
    late = [each for each in kept if each.what == "failed" and each.attempt > MAX_KEPT_ATTEMPTS]
    if late:
        ids, names = [each.event_id for each in late], [each.subscription for each in late]
        await tx.execute(DELETE_LATE_ATTEMPTS, ids, names, MAX_KEPT_ATTEMPTS)
    await tx.execute(
        INSERT,
        [each.event_id for each in kept],
        [each.subscription for each in kept],
        [each.type for each in kept],
        [each.what for each in kept],
        [each.attempt for each in kept],
        [make_storable(each.why[:1000]) for each in kept],
    )
