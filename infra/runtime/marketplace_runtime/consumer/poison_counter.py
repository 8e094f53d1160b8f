"""Suspects: events whose process died often. Each run of one is counted before it, so that a death can't hide it."""

from collections.abc import Sequence
from uuid import UUID

from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction

RUNS = "select event_id, runs from messaging.suspects where subscription = $1 and event_id = any($2::uuid[])"

COUNT = """
insert into messaging.suspects (subscription, event_id, runs) values ($1, $2, 1)
on conflict (subscription, event_id) do update set runs = messaging.suspects.runs + 1
"""

CLEAR = "delete from messaging.suspects where subscription = $1 and event_id = any($2::uuid[])"


async def runs(tx: Transaction, subscription: str, ids: Sequence[UUID]) -> dict[UUID, int]:
    """How often each of these was run alone, and never seen again."""
    return {row[0]: row[1] for row in await tx.execute(RUNS, subscription, list(ids))}


async def count(tx: Transaction, subscription: str, id: UUID) -> None:
    """Note that this event will be run alone now."""
    await tx.execute(COUNT, subscription, id)


async def reset(tx: Transaction, subscription: str, deliveries: Sequence[Delivery]) -> None:
    """Reset the counter of deliveries whose run came to an end: the process outlived it."""
    suspected = [each.envelope.id for each in deliveries if each.suspect]
    if suspected:
        await tx.execute(CLEAR, subscription, suspected)
