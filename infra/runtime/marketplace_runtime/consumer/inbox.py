"""The inbox: which events a subscription has acted on. Its row commits with the act itself."""

from collections.abc import Sequence
from uuid import UUID

from marketplace_runtime.database import Transaction

INSERT = """
insert into messaging.inbox (subscription, event_id, attempt)
select $1, event_id, attempt from unnest($2::uuid[], $3::int[]) as r (event_id, attempt) order by event_id
on conflict do nothing returning event_id
"""

KNOWN = "select event_id from messaging.inbox where subscription = $1 and event_id = any($2::uuid[])"


async def enter(tx: Transaction, subscription: str, ids: Sequence[UUID], attempts: Sequence[int]) -> set[UUID]:
    """Claim events for this transaction. Returns those that were not handled before.

    Waits for another transaction that is entering the same event, so only one of them acts on it.
    """
    return {row[0] for row in await tx.execute(INSERT, subscription, list(ids), list(attempts))}


async def known(tx: Transaction, subscription: str, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these were handled already."""
    return {row[0] for row in await tx.execute(KNOWN, subscription, list(ids))}
