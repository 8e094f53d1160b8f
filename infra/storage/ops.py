"""Numbers for operators, from the database rather than from a process's memory."""

from typing import Any

from infra.storage.transaction import Transaction

COUNTS = """
select
    (select count(*) from messaging.outbox) as published,
    (select count(*) from messaging.inbox) as handled,
    (select coalesce(sum(attempt - 1), 0) from messaging.inbox) as retried,
    (select count(*) from messaging.dead_letters) as dead,
    (select count(*) from messaging.outbox_set_aside) as set_aside,
    (select count(*) from messaging.outbox_pending) as pending,
    (select count(*) from messaging.scheduled) as scheduled
"""

NOW = """
select
    (select count(*) from messaging.outbox_pending) as pending,
    (select count(*) from messaging.scheduled) as scheduled,
    (select count(*) from messaging.dead_letters) as dead,
    coalesce((
        select extract(epoch from clock_timestamp() - o.at)::float
        from messaging.outbox_pending p join messaging.outbox o using (event_id, type) order by p.seq limit 1
    ), 0) as oldest_s
"""

SET_ASIDE = "select * from messaging.outbox_set_aside where seq > $2 order by seq limit $1"


async def counts(tx: Transaction) -> dict[str, int]:
    """`published`, `handled` and `retried` ever; `dead`, `set_aside`, `pending` and `scheduled` now."""
    [row] = await tx.execute(COUNTS)
    return {name: int(number) for name, number in row._mapping.items()}


async def counts_now(tx: Transaction) -> dict[str, float]:
    """`pending` in the outbox, how many seconds ago the first of them was said (`oldest_s`), `scheduled` and `dead`.

    Cheap: no table of these keeps what is done.
    """
    [row] = await tx.execute(NOW)
    return {name: float(number) for name, number in row._mapping.items()}


async def set_aside(tx: Transaction, limit: int, after: int = 0) -> list[dict[str, Any]]:
    """Events that the relay set aside, at most `limit`, those after the sequence number `after`."""
    return [dict(row._mapping) for row in await tx.execute(SET_ASIDE, limit, after)]
