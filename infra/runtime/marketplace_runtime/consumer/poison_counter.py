"""Counts how often a suspected poison message was run alone.

Each run is counted and committed before it begins, so that the count survives the death of the process.
"""

from collections.abc import Sequence
from uuid import UUID

from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction

SELECT_RUNS = "select event_id, runs from messaging.suspects where subscription = $1 and event_id = any($2::uuid[])"

COUNT_RUN = """
insert into messaging.suspects (subscription, event_id, runs) values ($1, $2, 1)
on conflict (subscription, event_id) do update set runs = messaging.suspects.runs + 1
"""

DELETE_COUNTERS = "delete from messaging.suspects where subscription = $1 and event_id = any($2::uuid[])"


async def read_runs(tx: Transaction, subscription: str, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return for each event how often it was run alone without completing. Leaves out events without such a run."""
    return {row[0]: row[1] for row in await tx.execute(SELECT_RUNS, subscription, list(ids))}


async def count_run(tx: Transaction, subscription: str, id: UUID) -> None:
    """Count one more run of this event, which is about to be run alone."""
    await tx.execute(COUNT_RUN, subscription, id)


async def reset(tx: Transaction, subscription: str, deliveries: Sequence[Delivery]) -> None:
    """Reset the counters of the suspects among `deliveries`, since the process survived their run."""
    suspected = [each.envelope.id for each in deliveries if each.is_suspect]
    if suspected:
        await tx.execute(DELETE_COUNTERS, subscription, suspected)
