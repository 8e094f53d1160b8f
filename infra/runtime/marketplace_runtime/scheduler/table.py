"""The schedule as the scheduler and consumers use it. Transactions write it: see `database.schedule`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marketplace_runtime.database import Entry, Transaction
from marketplace_runtime.events import Envelope, name_of

COLUMNS = """
id, subscription, event_id, type, source, subject, at, traceparent, causation_id, body, due - now(), attempt, why,
    failed_at, deaths, key"""
"""As `_entry` reads them."""

IS_EARLY = """
subscription || ' ' || type = any($5::text[]) and (
    $6::timestamptz is null or due > $6
    or exists (
        select from messaging.scheduled as r
        where r.subject = s.subject and r.failed_at is not null and not r.dead and r.id <> s.id and (
            r.holder is not null or r.due <= s.due
            or r.failed_at < s.due and r.subscription || ' ' || r.type = any($7::text[]))))
"""
"""Of a deadline: what reached the service before it was due is not handled yet.

That is in a queue; or it failed, and is being run again, has not been run again since, or was no outside call.
"""

# The array is made once. With `in (select …)` a join may look again, skip what it has locked, and take too many.
TAKE = f"""
update messaging.scheduled
set due = now() + $3::interval, holder = $4, deaths = deaths + (holder is not null and holder <> $4)::int
where id = any(array(
    select id from messaging.scheduled as s
    where due <= now() and subscription || ' ' || type = any($1::text[]) and not ({IS_EARLY})
    order by due limit $2 for update skip locked))
returning {COLUMNS}
"""  # noqa: S608 - names of ours

TAKE_UNKNOWN = f"""
update messaging.scheduled
set due = now() + $4::interval, holder = $5
where id = any(array(
    select id from messaging.scheduled
    where due < now() - $6::interval and subscription || ' ' || type <> all($1::text[])
        and subscription || ' ' || regexp_replace(type, '[.]v[0-9]+$', '') = any($2::text[])
    order by due limit $3 for update skip locked))
returning {COLUMNS}
"""  # noqa: S608 - as above

TAKE_UNHEARD = f"""
select {COLUMNS}
from messaging.scheduled
where due < now() - $4::interval and subscription || ' ' || type <> all($1::text[])
    and subscription || ' ' || regexp_replace(type, '[.]v[0-9]+$', '') <> all($2::text[])
order by due limit $3 for update skip locked
"""  # noqa: S608 - as above

NEXT = """
select extract(epoch from min(due) filter (where not d.early) - now())::float8,
    coalesce(bool_or(d.early), false)
from messaging.scheduled as s
    cross join lateral (select due <= now() and subscription || ' ' || type = any($2::text[]) as early) as d
where subscription || ' ' || type = any($1::text[])
"""

REMOVE = "delete from messaging.scheduled where id = any($1::bigint[]) returning id"

Heard = Collection[tuple[str, str]]
"""Subscriptions, each with a type of event that it knows."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Which types are deadlines, and how far the service has caught up with what goes before them."""

    types: Heard = ()
    caught_up: datetime | None = None
    """By the database's clock."""
    handled: Heard = ()
    """The types that are handled without an outside call: however often they fail, they go before."""


NO_DEADLINES = Deadlines()


async def take(
    tx: Transaction, heard: Heard, limit: int, lease: timedelta, deadlines: Deadlines = NO_DEADLINES
) -> list[Entry]:
    """Lease up to `limit` entries that are due, the oldest first; other replicas pass them over meanwhile."""
    before = _pairs(deadlines.types), deadlines.caught_up, _pairs(deadlines.handled)
    rows = await tx.execute(TAKE, _pairs(heard), limit, lease, tx.process_id, *before)
    return sorted(map(_entry, rows), key=lambda entry: entry.id or 0)


async def take_unknown(tx: Transaction, heard: Heard, limit: int, lease: timedelta, overdue: timedelta) -> list[Entry]:
    """Lease entries in versions that are not among `heard`, though others are, and that no other replica took."""
    rows = await tx.execute(TAKE_UNKNOWN, _pairs(heard), _names(heard), limit, lease, tx.process_id, overdue)
    return [_entry(row) for row in rows]


async def take_unheard(tx: Transaction, heard: Heard, limit: int, overdue: timedelta) -> list[Entry]:
    """Entries that are not among `heard` in any version, and that no other replica took in all that time."""
    return [_entry(row) for row in await tx.execute(TAKE_UNHEARD, _pairs(heard), _names(heard), limit, overdue)]


async def next_due_s(tx: Transaction, heard: Heard, deadlines: Deadlines) -> tuple[float | None, bool]:
    """Seconds until the earliest entry among `heard` is due (negative: overdue); None where there is none.

    Overdue deadlines do not count; whether there are any is returned as well.
    """
    [(seconds, overdue)] = await tx.execute(NEXT, _pairs(heard), _pairs(deadlines.types))
    return None if seconds is None else float(seconds), bool(overdue)


async def remove(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Forget entries whose effect this transaction holds. Returns those that nobody else has removed before."""
    return {row[0] for row in await tx.execute(REMOVE, list(ids))}


def _pairs(heard: Heard) -> list[str]:
    return [f"{subscription} {type}" for subscription, type in heard]


def _names(heard: Heard) -> list[str]:
    return sorted({f"{subscription} {name_of(type)}" for subscription, type in heard})


def _entry(row: Any) -> Entry:
    return Entry(
        subscription=row[1],
        envelope=Envelope(row[2], row[3], row[4], row[5], row[6], row[7], row[8]),
        body=row[9],
        delay=row[10],
        attempt=row[11],
        why=row[12],
        failed_at=row[13],
        id=row[0],
        deaths=row[14],
        key=row[15],
    )
