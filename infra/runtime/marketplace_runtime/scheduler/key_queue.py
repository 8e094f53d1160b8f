"""Keeps the key queues: the entries of one ordering key that wait in the schedule, in the order of handling.

The first entry of a key queue, its head, waits for its next run, or is dead and waits for an operator. The others are
parked: they have no due time until the head has left. A transaction that changes a key queue takes the queue's lock,
and holds it until the transaction ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from marketplace_runtime.database import ScheduleEntry, Transaction, entry_columns

LOCK = """
select pg_advisory_xact_lock(lock_key) from (
    select distinct hashtextextended(key, hashtext($1)) as lock_key from unnest($2::text[]) as k (key) order by lock_key
) as lock_keys
"""

FIND_FIRST = """
select k.key, s.id from (select distinct key from unnest($2::text[]) as u (key)) as k
cross join lateral (
    select id from messaging.scheduled where subscription = $1 and key = k.key order by id limit $3) as s
order by s.id
"""

APPEND = """
insert into messaging.scheduled
    (subscription, event_id, type, source, subject, at, traceparent, causation_id, body, due, attempt, why, failed_at,
    deaths, key, dead)
select subscription, event_id, type, source, subject, at, traceparent, causation_id, body,
    clock_timestamp() + delay, attempt, why, failed_at, deaths, key, dead
from unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::uuid[],
    $9::bytea[], $10::interval[], $11::int[], $12::text[], $13::timestamptz[], $14::int[], $15::text[], $16::bool[]
) with ordinality as r (subscription, event_id, type, source, subject, at, traceparent, causation_id, body, delay,
    attempt, why, failed_at, deaths, key, dead, position)
order by position on conflict do nothing
"""

PARK_AGAIN = "update messaging.scheduled set due = null, holder = null where id = any($1::bigint[])"

UPDATE_IN_PLACE = """
update messaging.scheduled
set due = clock_timestamp() + $2::interval, attempt = $3, why = $4, failed_at = $5, dead = $6, deaths = 0, holder = null
where id = $1
"""

MAKE_NEXT_DUE = """
update messaging.scheduled set due = now() where id in (
    select s.id from (select distinct key from unnest($2::text[]) as u (key)) as k cross join lateral (
        select id from messaging.scheduled
        where subscription = $1 and key = k.key and due is null and not dead order by id limit $3) as s)
"""

REDRIVE_HEADS = """
update messaging.scheduled as s
set due = now(), attempt = 1, failed_at = null, why = 'replay', dead = false, deaths = 0, body = r.body
from unnest($2::uuid[], $3::bytea[]) as r (event_id, body)
where s.dead and s.subscription = $1 and s.event_id = r.event_id
returning s.event_id
"""

SELECT_DEAD_HEADS = (
    "select key from messaging.scheduled where dead and subscription = $1 and event_id = any($2::uuid[])"
)

REMOVE_DEAD_HEADS = (
    "delete from messaging.scheduled where dead and subscription = $1 and event_id = any($2::uuid[]) returning key"
)

REMOVE_KEYS = """
update messaging.scheduled set key = null, due = coalesce(due, now())
where key is not null and subscription = any($1::text[]) and not dead
"""


async def lock(tx: Transaction, subscription: str, keys: Sequence[str]) -> None:
    """Lock the key queues of these keys until the end of the transaction.

    Later statements see the changes of the transactions that held the locks before.
    """
    await tx.execute(LOCK, subscription, list(keys))


async def find_first(tx: Transaction, subscription: str, keys: Sequence[str], limit: int) -> dict[str, list[int]]:
    """Return by key the ids of the first `limit` entries of each key queue. Leaves out keys without entries."""
    queues: dict[str, list[int]] = {}
    for key, id in await tx.execute(FIND_FIRST, subscription, list(keys), limit):
        queues.setdefault(key, []).append(id)
    return queues


async def append(tx: Transaction, entries: Sequence[ScheduleEntry]) -> None:
    """Append `entries`, each with its key, to the queues of their keys. Ignores entries that are already queued."""
    key_columns: list[list[Any]] = [
        [entry.key for entry in entries],
        [entry.dead for entry in entries],
    ]
    await tx.execute(APPEND, *entry_columns(entries), *key_columns)
    if any(entry.delay is not None for entry in entries):
        tx.wake_scheduler()


async def park_again(tx: Transaction, ids: Sequence[int]) -> None:
    """Park entries again that were taken before their turn."""
    await tx.execute(PARK_AGAIN, list(ids))


async def update_in_place(tx: Transaction, id: int, changed: ScheduleEntry) -> None:
    """Update an entry in its place with the delay, attempt and reason of `changed`, and end its lease.

    If `changed` is dead, the entry is not run again.
    """
    await tx.execute(UPDATE_IN_PLACE, id, changed.delay, changed.attempt, changed.why, changed.failed_at, changed.dead)
    tx.wake_scheduler()


async def make_next_due(tx: Transaction, subscription: str, keys: Sequence[str], limit: int) -> None:
    """Make up to `limit` parked entries of each key queue due now, because the entries before them have left."""
    await tx.execute(MAKE_NEXT_DUE, subscription, list(keys), limit)
    tx.wake_scheduler()


async def redrive_heads(tx: Transaction, subscription: str, bodies: Mapping[UUID, bytes]) -> set[UUID]:
    """Make dead heads due again as a first attempt, with these bodies by event id.

    They stay before everything that is parked behind them. Returns the event ids of
    those that were dead heads. The caller can schedule the others as usual.
    """
    redriven = await tx.execute(REDRIVE_HEADS, subscription, list(bodies), list(bodies.values()))
    tx.wake_scheduler()
    return {row[0] for row in redriven}


async def remove_dead_heads(tx: Transaction, subscription: str, ids: Sequence[UUID]) -> None:
    """Remove the dead heads with these event ids, and make the next entry of each key queue due. Ignores other ids."""
    held = [row[0] for row in await tx.execute(SELECT_DEAD_HEADS, subscription, list(ids))]
    if held:
        await lock(tx, subscription, held)
        released = [row[0] for row in await tx.execute(REMOVE_DEAD_HEADS, subscription, list(ids))]
        await make_next_due(tx, subscription, released, 1)


async def remove_keys(tx: Transaction, subscriptions: Sequence[str]) -> None:
    """Release the entries of subscriptions that are no longer ordered: they lose their key and become due.

    Dead entries stay as they are.
    """
    await tx.execute(REMOVE_KEYS, list(subscriptions))
