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
    (select count(*) from messaging.scheduled) as scheduled
"""

SET_ASIDE = "select * from messaging.outbox_set_aside where seq > $2 order by seq limit $1"


async def counts(tx: Transaction) -> dict[str, int]:
    """`published`, `handled` and `retried` ever; `dead`, `set_aside`, `pending` and `scheduled` now."""
    [row] = await tx.execute(COUNTS)
    return {name: int(number) for name, number in row._mapping.items()}


async def counts_now(tx: Transaction) -> dict[str, int]:
    """`pending` in the outbox and `scheduled`, cheaply: neither table keeps what is done."""
    [row] = await tx.execute(NOW)
    return {name: int(number) for name, number in row._mapping.items()}


async def set_aside(tx: Transaction, limit: int, after: int = 0) -> list[dict[str, Any]]:
    """Events that the relay set aside, at most `limit`, those after the sequence number `after`."""
    return [dict(row._mapping) for row in await tx.execute(SET_ASIDE, limit, after)]
