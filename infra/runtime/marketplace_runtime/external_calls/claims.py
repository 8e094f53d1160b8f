"""Claims: who may make an outside call for an event right now. A look in the inbox is no claim."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from marketplace_runtime.database import Transaction

TAKE = """
insert into messaging.claims (subscription, event_id, holder, lease_until)
select $1, event_id, $4, now() + $3::interval from unnest($2::uuid[]) as r (event_id) order by event_id
on conflict (subscription, event_id) do update set holder = excluded.holder, lease_until = excluded.lease_until
where messaging.claims.lease_until < now() or messaging.claims.holder = excluded.holder
returning event_id
"""

RELEASE = "delete from messaging.claims where subscription = $1 and event_id = any($2::uuid[]) and holder = $3"


async def take(tx: Transaction, subscription: str, ids: Sequence[UUID], lease: timedelta) -> set[UUID]:
    """Claim events for one call each. Returns those that no other process holds.

    A claim of our own is taken again: its commit was not answered. Don't pass events whose call is under way.
    """
    return {row[0] for row in await tx.execute(TAKE, subscription, list(ids), lease, tx.process_id)}


async def release(tx: Transaction, subscription: str, ids: Sequence[UUID]) -> None:
    """Give claims of this process back: the call is over, whatever came of it. What another has taken over is its."""
    await tx.execute(RELEASE, subscription, list(ids), tx.process_id)
