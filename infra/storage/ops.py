"""Numbers and lists for operators, from the database rather than from a process's memory."""

from typing import Any

from infra.storage.transaction import Transaction

COUNTS = """
select
    (select count(*) from messaging.outbox) as published,
    (select count(*) from messaging.inbox) as handled,
    (select coalesce(sum(attempt - 1), 0) from messaging.inbox) as retried,
    (select count(*) from messaging.dead_letters) as dead,
    (select count(*) from messaging.outbox_pending) as pending,
    (select count(*) from messaging.scheduled) as scheduled
"""

NOW = """
select
    (select count(*) from messaging.outbox_pending) as pending,
    (select count(*) from messaging.scheduled) as scheduled
"""

DEAD = """
select id, subscription, event_id, type, reason, error, attempts, failed_at, filed_at, headers,
    octet_length(body) as size
from messaging.dead_letters where id > $2 order by id limit $1
"""


async def counts(tx: Transaction) -> dict[str, int]:
    """`published`, `handled`, `retried` and `dead` ever; `pending` and `scheduled` now."""
    [row] = await tx.execute(COUNTS)
    return {name: int(number) for name, number in row._mapping.items()}


async def counts_now(tx: Transaction) -> dict[str, int]:
    """`pending` in the outbox and `scheduled`, cheaply: neither table keeps what is done."""
    [row] = await tx.execute(NOW)
    return {name: int(number) for name, number in row._mapping.items()}


async def dead_letters(tx: Transaction, limit: int, after: int = 0) -> list[dict[str, Any]]:
    """Dead letters by id, at most `limit`, those after the id `after`."""
    return [dict(row._mapping) for row in await tx.execute(DEAD, limit, after)]
