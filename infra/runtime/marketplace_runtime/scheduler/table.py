"""Reads, leases and removes entries of the schedule, for the scheduler and consumers.

Transactions add entries: see `database.schedule`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marketplace_runtime.database import ScheduleEntry, Transaction
from marketplace_runtime.events import Envelope, without_version

COLUMNS = """
id, subscription, event_id, type, source, subject, at, traceparent, causation_id, body, due - now(), attempt, why,
    failed_at, deaths, key"""
"""In the order in which `_entry` reads them."""

HAS_TO_WAIT = """
subscription || ' ' || type = any($5::text[]) and (
    $6::timestamptz is null or due > $6
    or exists (
        select from messaging.scheduled as r
        where r.subject = s.subject and r.failed_at is not null and not r.dead and r.id <> s.id and (
            r.holder is not null or r.due <= s.due
            or r.failed_at < s.due and r.subscription || ' ' || r.type = any($7::text[]))))
"""
"""True for a deadline that has to wait, because an event that arrived before it was due has to be handled first.

A deadline is an entry of a type in `$5`. It waits in two cases:

- The event may still be in a queue, since the service has caught up only until `$6` (null: unknown).
- The event is about the same subject, has failed and is not dead. Also, one of these holds: it is being run again; its
  next run is due no later than the deadline; or it failed before the deadline was due, and its type is in `$7` (handled
  without an external call).
"""

# The array is evaluated once. With `in (select …)`, a join may evaluate the subquery again. That run would skip the
# rows that were just locked, so the statement would take more than the limit.
LEASE_DUE = f"""
update messaging.scheduled
set due = now() + $3::interval, holder = $4, deaths = deaths + (holder is not null and holder <> $4)::int
where id = any(array(
    select id from messaging.scheduled as s
    where due <= now() and subscription || ' ' || type = any($1::text[]) and not ({HAS_TO_WAIT})
    order by due limit $2 for update skip locked))
returning {COLUMNS}
"""  # noqa: S608 - constants

LEASE_UNKNOWN_VERSIONS = f"""
update messaging.scheduled
set due = now() + $4::interval, holder = $5
where id = any(array(
    select id from messaging.scheduled
    where due < now() - $6::interval and subscription || ' ' || type <> all($1::text[])
        and subscription || ' ' || regexp_replace(type, '[.]v[0-9]+$', '') = any($2::text[])
    order by due limit $3 for update skip locked))
returning {COLUMNS}
"""  # noqa: S608 - as above

LOCK_UNHANDLED = f"""
select {COLUMNS}
from messaging.scheduled
where due < now() - $4::interval and subscription || ' ' || type <> all($1::text[])
    and subscription || ' ' || regexp_replace(type, '[.]v[0-9]+$', '') <> all($2::text[])
order by due limit $3 for update skip locked
"""  # noqa: S608 - as above

NEXT_DUE = """
select extract(epoch from min(due) filter (where not d.is_overdue_deadline) - now())::float8,
    coalesce(bool_or(d.is_overdue_deadline), false)
from messaging.scheduled as s
    cross join lateral (
        select due <= now() and subscription || ' ' || type = any($2::text[]) as is_overdue_deadline) as d
where subscription || ' ' || type = any($1::text[])
"""

REMOVE = "delete from messaging.scheduled where id = any($1::bigint[]) returning id"

SubscribedTypes = Collection[tuple[str, str]]
"""Pairs of a subscription and a type of event that it handles."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Lists the types that are deadlines, and how far the service has caught up with what goes before them."""

    types: SubscribedTypes = ()
    caught_up_until: datetime | None = None
    """The time up to which it has caught up, by the database's clock. None: unknown, so deadlines wait."""
    without_call: SubscribedTypes = ()
    """The types handled without an external call. If such an event failed before a deadline of its subject was due, the
    deadline waits for it, however often it fails again."""


NO_DEADLINES = Deadlines()


async def lease_due(
    tx: Transaction, subscribed: SubscribedTypes, limit: int, lease: timedelta, deadlines: Deadlines = NO_DEADLINES
) -> list[ScheduleEntry]:
    """Lease up to `limit` due entries of the `subscribed` types, those due first. Other replicas skip leased entries.

    Returns them by id, in the order in which they were scheduled.
    """
    deadline_arguments = _pairs(deadlines.types), deadlines.caught_up_until, _pairs(deadlines.without_call)
    rows = await tx.execute(LEASE_DUE, _pairs(subscribed), limit, lease, tx.process_id, *deadline_arguments)
    return sorted(map(_entry, rows), key=lambda entry: entry.id or 0)


async def lease_unknown_versions(
    tx: Transaction, subscribed: SubscribedTypes, limit: int, lease: timedelta, overdue: timedelta
) -> list[ScheduleEntry]:
    """Lease entries of events that are in `subscribed`, but only in other versions.

    Takes only entries that are due for longer than `overdue`, since no other replica took them in that time.
    """
    rows = await tx.execute(
        LEASE_UNKNOWN_VERSIONS, _pairs(subscribed), _names(subscribed), limit, lease, tx.process_id, overdue
    )
    return [_entry(row) for row in rows]


async def lock_unhandled(
    tx: Transaction, subscribed: SubscribedTypes, limit: int, overdue: timedelta
) -> list[ScheduleEntry]:
    """Lock and return entries of events that are not in `subscribed` in any version. Does not lease them.

    Takes only entries that are due for longer than `overdue`, since no other replica took them in that time.
    """
    return [
        _entry(row) for row in await tx.execute(LOCK_UNHANDLED, _pairs(subscribed), _names(subscribed), limit, overdue)
    ]


async def next_due_s(tx: Transaction, subscribed: SubscribedTypes, deadlines: Deadlines) -> tuple[float | None, bool]:
    """Return the seconds until the earliest entry in `subscribed` is due, and whether any deadline is overdue.

    Negative seconds mean overdue; None means that there is no entry. The seconds leave out overdue deadlines.
    """
    [(seconds, overdue)] = await tx.execute(NEXT_DUE, _pairs(subscribed), _pairs(deadlines.types))
    return None if seconds is None else float(seconds), bool(overdue)


async def remove(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Remove entries whose effects this transaction commits. Returns the ids that were still there."""
    return {row[0] for row in await tx.execute(REMOVE, list(ids))}


def _pairs(subscribed: SubscribedTypes) -> list[str]:
    """Return each pair as one string, as the statements compare them."""
    return [f"{subscription} {type}" for subscription, type in subscribed]


def _names(subscribed: SubscribedTypes) -> list[str]:
    """Return the same strings without the versions of the types."""
    return sorted({f"{subscription} {without_version(type)}" for subscription, type in subscribed})


def _entry(row: Any) -> ScheduleEntry:
    return ScheduleEntry(
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
