"""Writes the outbox: events that are committed with the state that they describe, and published afterwards.

`outbox` keeps every event for the retention window, in daily partitions by id. `outbox_pending` is a
narrow list of those that the broker has not confirmed yet. Its sequence is the order of publishing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from marketplace_runtime.database.statements import StatementExecutor
from marketplace_runtime.events import Envelope

BUCKETS = 16
"""Number of hash buckets that aggregates are divided into. One relay at a time owns a bucket."""

INSERT = """
with rows as (
    select * from unnest(
        $1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::uuid[], $7::bytea[], $8::smallint[]
    ) with ordinality as r (event_id, type, subject, at, traceparent, causation_id, body, bucket, position)
), kept as (
    insert into messaging.outbox (event_id, type, subject, at, traceparent, causation_id, body)
    select event_id, type, subject, at, traceparent, causation_id, body from rows
)
insert into messaging.outbox_pending (event_id, type, bucket)
select event_id, type, bucket from rows order by position
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Holds one event that is to be published."""

    envelope: Envelope
    body: bytes


def bucket_of(subject: str) -> int:
    """Return the bucket of an aggregate's events. It is the same in every process and release."""
    return crc32(subject.encode()) % BUCKETS


async def insert(tx: StatementExecutor, rows: Sequence[Row]) -> None:
    """Insert `rows` in their order, in one statement."""
    columns: list[list[Any]] = [
        [row.envelope.id for row in rows],
        [row.envelope.type for row in rows],
        [row.envelope.subject for row in rows],
        [row.envelope.time for row in rows],
        [row.envelope.traceparent for row in rows],
        [row.envelope.causation_id for row in rows],
        [row.body for row in rows],
        [bucket_of(row.envelope.subject) for row in rows],
    ]
    await tx.execute(INSERT, *columns)
