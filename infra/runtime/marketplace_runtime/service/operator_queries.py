"""Counts messages for operators, in the database rather than in a process's memory."""

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

BACKLOG = """
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


async def count_messages(tx: Transaction) -> dict[str, int]:
    """Return counts of messages.

    `published` and `handled` count all events that are retained; `retried` is the number of retries of handled ones.
    `dead`, `set_aside` (unpublishable events), `pending` and `scheduled` count what is there now.
    """
    [row] = await tx.execute(COUNTS)
    return {name: int(number) for name, number in row._mapping.items()}


async def count_backlog(tx: Transaction) -> dict[str, float]:
    """Return what waits in the database now.

    - `pending`: events in the outbox that the broker has not confirmed yet.
    - `oldest_s`: seconds since the oldest of these was written.
    - `set_aside`: unpublishable events.
    - `scheduled`: messages in the schedule.
    - `retrying`: those of them that failed or were postponed, and will be retried.
    - `retrying_oldest_s`: seconds since the first of these failed or was postponed.
    - `dead`: dead letters.

    This is cheap: none of these tables keeps completed work.
    """
    [row] = await tx.execute(BACKLOG)
    return {name: float(number) for name, number in row._mapping.items()}
