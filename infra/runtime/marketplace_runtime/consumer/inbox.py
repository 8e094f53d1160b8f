"""Reads and writes the inbox, which lists the events that a subscription has handled.

An event's row commits together with the effects of its handler.
"""

from collections.abc import Sequence
from uuid import UUID

from marketplace_runtime.database import Transaction

INSERT = """
insert into messaging.inbox (subscription, event_id, attempt)
select $1, event_id, attempt from unnest($2::uuid[], $3::int[]) as r (event_id, attempt) order by event_id
on conflict do nothing returning event_id
"""

SELECT_HANDLED = "select event_id from messaging.inbox where subscription = $1 and event_id = any($2::uuid[])"


async def enter(tx: Transaction, subscription: str, ids: Sequence[UUID], attempts: Sequence[int]) -> set[UUID]:
    """Insert events into the inbox. Returns the ids that were not handled before.

    Waits for another transaction that is inserting the same event, so that only one of them handles it.
    """
    return {row[0] for row in await tx.execute(INSERT, subscription, list(ids), list(attempts))}


async def find_handled(tx: Transaction, subscription: str, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these events were handled already."""
    return {row[0] for row in await tx.execute(SELECT_HANDLED, subscription, list(ids))}
