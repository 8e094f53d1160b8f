"""Later, again: one table for retries after a failure and for a service's own deadlines.

An entry is taken by a lease (its due time moves on), run through the same path as a fresh delivery,
and removed in the transaction of its effect. A crash in between only lets the lease run out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marketplace_runtime.database.statements import Statements
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
"""Due times are the database's: it also says when one has come, so no two clocks are compared."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something for a subscription to hear when it is due."""

    subscription: str
    envelope: Envelope
    body: bytes
    delay: timedelta | None
    """From the transaction that files it to its time; None while it is parked, or dead, in a line."""
    attempt: int
    """Which run the next one is, counted from 1."""
    why: str
    """What failed, or `deadline`."""
    failed_at: datetime | None = None
    """When it failed first."""
    id: int | None = None
    deaths: int = 0
    """How often it was taken by another process that was not heard of again."""
    key: str | None = None
    """Entries with the same key run in order, one at a time (see `scheduler.key_queue`); None if order is not kept."""
    dead: bool = False
    """Whether it was given up and still holds up the entries of its key."""


def columns(entries: Sequence[Entry]) -> list[list[Any]]:
    """What `unnest` makes rows of: everything that an entry has outside of a line, in the order of `INSERT`."""
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


async def insert(tx: Statements, entries: Sequence[Entry]) -> None:
    """File `entries` in one statement."""
    await tx.execute(INSERT, *columns(entries))
