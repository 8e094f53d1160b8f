"""Manages claims: only the process that holds an event's claim may make its external call.

The inbox cannot replace a claim: it lists an event only after the call was recorded.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from marketplace_runtime.database import Transaction

CLAIM = """
insert into messaging.claims (subscription, event_id, holder, lease_until)
select $1, event_id, $4, now() + $3::interval from unnest($2::uuid[]) as r (event_id) order by event_id
on conflict (subscription, event_id) do update set holder = excluded.holder, lease_until = excluded.lease_until
where messaging.claims.lease_until < now() or messaging.claims.holder = excluded.holder
returning event_id
"""

RELEASE = "delete from messaging.claims where subscription = $1 and event_id = any($2::uuid[]) and holder = $3"


async def claim(tx: Transaction, subscription: str, ids: Sequence[UUID], lease: timedelta) -> set[UUID]:
    """Claim events for one call each, for the time `lease`. Returns those that are now claimed by this process.

    Events with an unexpired claim of another process are left out. A claim that this process already holds is taken
    again, since the answer to its commit may have been lost. Do not pass events whose call is under way.
    """
    return {row[0] for row in await tx.execute(CLAIM, subscription, list(ids), lease, tx.process_id)}


async def release(tx: Transaction, subscription: str, ids: Sequence[UUID]) -> None:
    """Release this process's claims after their calls have ended. Keeps claims that another process has taken over."""
    await tx.execute(RELEASE, subscription, list(ids), tx.process_id)
