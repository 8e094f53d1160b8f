"""Reads and updates the outbox for the relay and for operators. Transactions write it: see `database.outbox`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from marketplace_runtime.database import Transaction
from marketplace_runtime.events import Envelope

PENDING = """
select p.seq, o.event_id, o.type, o.subject, o.at, o.traceparent, o.causation_id, o.body
from messaging.outbox_pending p join messaging.outbox o using (event_id, type)
where p.bucket = any($1::smallint[])
order by p.seq limit $2
"""

DELETE_CONFIRMED = "delete from messaging.outbox_pending where seq = any($1::bigint[])"


SET_ASIDE = """
with gone as (
    delete from messaging.outbox_pending where seq = any($1::bigint[]) returning seq, event_id, type, bucket
)
insert into messaging.outbox_set_aside (seq, event_id, type, bucket, subject, why)
select gone.seq, gone.event_id, gone.type, gone.bucket, r.subject, r.why
from gone join unnest($1::bigint[], $2::text[], $3::text[]) as r (seq, subject, why) using (seq)
"""

LIST_SET_ASIDE = "select * from messaging.outbox_set_aside where seq > $2 order by seq limit $1"


RETRY = """
with gone as (
    delete from messaging.outbox_set_aside as s using messaging.outbox as o
    where s.event_id = o.event_id and s.type = o.type and ($1::bigint[] is null or s.seq = any($1))
    returning s.seq, s.event_id, s.type, s.bucket
)
insert into messaging.outbox_pending (event_id, type, bucket)
select event_id, type, bucket from gone order by seq returning event_id
"""


class Pending(NamedTuple):
    """A row of the outbox that is not published yet."""

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


async def list_set_aside(tx: Transaction, limit: int, after: int = 0) -> list[dict[str, Any]]:
    """Return at most `limit` events that the relay set aside, with sequence numbers greater than `after`."""
    return [dict(row._mapping) for row in await tx.execute(LIST_SET_ASIDE, limit, after)]


async def retry_set_aside(tx: Transaction, seqs: Sequence[int] | None) -> int:
    """Queue events that were set aside, to be published again: those with these sequence numbers, or all.

    Returns how many. An event that still cannot be published is set aside again.
    """
    return len(await tx.execute(RETRY, None if seqs is None else list(seqs)))
