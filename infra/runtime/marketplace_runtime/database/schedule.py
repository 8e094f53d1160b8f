"""Writes the schedule: one table for retries after a failure and for a service's own deadlines.

The scheduler takes an entry by a lease, which moves its due time on. The entry runs through the same path as a fresh
delivery, and is deleted in the transaction of its effect. After a crash in between, the lease runs out and the entry is
due again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marketplace_runtime.database.statements import StatementExecutor
from marketplace_runtime.events import Envelope

INSERT = """
insert into messaging.scheduled
    (subscription, event_id, type, source, subject, at, traceparent, causation_id, body, due, attempt, why, failed_at,
    deaths)
select subscription, event_id, type, source, subject, at, traceparent, causation_id, body,
    clock_timestamp() + delay, attempt, why, failed_at, deaths
from unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::uuid[],
    $9::bytea[], $10::interval[], $11::int[], $12::text[], $13::timestamptz[], $14::int[]
) as r (subscription, event_id, type, source, subject, at, traceparent, causation_id, body, delay, attempt, why,
    failed_at, deaths)
"""
"""Due times are set by the database's clock, which also decides when they have come. So no two clocks are compared."""


@dataclass(frozen=True, slots=True)
class ScheduleEntry:
    """Holds a message that a subscription handles when it is due."""

    subscription: str
    envelope: Envelope
    body: bytes
    delay: timedelta | None
    """Time from its insertion until it is due. None while it is parked, or given up, in a key queue."""
    attempt: int
    """Number of the next attempt, counted from 1."""
    why: str
    """The last failure, or `deadline`."""
    failed_at: datetime | None = None
    """Time of the first failure."""
    id: int | None = None
    deaths: int = 0
    """Number of times that a process took the entry and then disappeared."""
    key: str | None = None
    """Entries with the same key run in order, one at a time (see `scheduler.key_queue`); None if order is not kept."""
    dead: bool = False
    """Whether it was given up and still blocks the later entries of its key."""


def entry_columns(entries: Sequence[ScheduleEntry]) -> list[list[Any]]:
    """Return the columns of `entries` for `unnest`, in the order of `INSERT`. Leaves out `key` and `dead`."""
    return [
        [entry.subscription for entry in entries],
        [entry.envelope.id for entry in entries],
        [entry.envelope.type for entry in entries],
        [entry.envelope.source for entry in entries],
        [entry.envelope.subject for entry in entries],
        [entry.envelope.time for entry in entries],
        [entry.envelope.traceparent for entry in entries],
        [entry.envelope.causation_id for entry in entries],
        [entry.body for entry in entries],
        [entry.delay for entry in entries],
        [entry.attempt for entry in entries],
        [entry.why for entry in entries],
        [entry.failed_at for entry in entries],
        [entry.deaths for entry in entries],
    ]


async def insert(tx: StatementExecutor, entries: Sequence[ScheduleEntry]) -> None:
    """Insert `entries` in one statement."""
    await tx.execute(INSERT, *entry_columns(entries))
