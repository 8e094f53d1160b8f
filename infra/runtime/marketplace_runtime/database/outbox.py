"""The outbox: events that are committed with the state that they speak of, and published afterwards.

`outbox` keeps every event for the retention window, in daily partitions by id. `outbox_pending` is the
narrow list of those not yet confirmed by the broker; its sequence is the order of publishing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zlib import crc32

from marketplace_runtime.events import Envelope

if TYPE_CHECKING:
    from marketplace_runtime.database.transaction import Transaction

BUCKETS = 16
"""Aggregates hash into these; one relay at a time owns a bucket."""

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

PENDING = """
select p.seq, o.event_id, o.type, o.subject, o.at, o.traceparent, o.causation_id, o.body
from messaging.outbox_pending p join messaging.outbox o using (event_id, type)
where p.bucket = any($1::smallint[])
order by p.seq limit $2
"""

CONFIRMED = "delete from messaging.outbox_pending where seq = any($1::bigint[])"


SET_ASIDE = """
with gone as (
    delete from messaging.outbox_pending where seq = any($1::bigint[]) returning seq, event_id, type, bucket
)
insert into messaging.outbox_set_aside (seq, event_id, type, bucket, subject, why)
select gone.seq, gone.event_id, gone.type, gone.bucket, r.subject, r.why
from gone join unnest($1::bigint[], $2::text[], $3::text[]) as r (seq, subject, why) using (seq)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One event on its way out."""

    envelope: Envelope
    body: bytes


class Pending(NamedTuple):
    """A row that the relay has still to publish."""

    seq: int
    event_id: UUID
    type: str
    subject: str
    at: datetime
    traceparent: str
    causation_id: UUID | None
    body: bytes

    def envelope(self, source: str) -> Envelope:
        return Envelope(self.event_id, self.type, source, self.subject, self.at, self.traceparent, self.causation_id)


def bucket_of(subject: str) -> int:
    """Where an aggregate's events queue up; the same in every process and release."""
    return crc32(subject.encode()) % BUCKETS


async def insert(tx: "Transaction", rows: Sequence[Row]) -> None:
    """Add `rows` in their order, in one statement."""
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
