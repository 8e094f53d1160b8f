"""Numbers for operators, from the database rather than from a process's memory."""

from marketplace_runtime.database import Transaction

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
    (select count(*) from messaging.outbox_set_aside) as set_aside,
    coalesce((
        select extract(epoch from clock_timestamp() - o.at)::float
        from messaging.outbox_pending p join messaging.outbox o using (event_id, type) order by p.seq limit 1
    ), 0) as oldest_s,
    r.*
from (
    select count(*) as retrying,
        coalesce(extract(epoch from clock_timestamp() - min(failed_at))::float, 0) as retrying_oldest_s
    from messaging.scheduled where failed_at is not null and not dead
) as r
"""


async def counts(tx: Transaction) -> dict[str, int]:
    """`published`, `handled` and `retried` ever; `dead`, `set_aside`, `pending` and `scheduled` now."""
    [row] = await tx.execute(COUNTS)
    return {name: int(number) for name, number in row._mapping.items()}


async def counts_now(tx: Transaction) -> dict[str, float]:
    """What waits now: `pending` in the outbox, how many seconds ago the first of them was published (`oldest_s`),
    `set_aside`, `scheduled`, `dead`; and of what is scheduled, messages that failed or were put off (`retrying`) with
    how long ago the first of them failed (`retrying_oldest_s`).

    Cheap: no table of these keeps what is done.
    """
    [row] = await tx.execute(NOW)
    return {name: float(number) for name, number in row._mapping.items()}
