"""Queues events that were published before, to be published again under the same ids after the broker lost its data.

They go back into `outbox_pending` in bounded chunks, and the relay publishes them like any other. They keep the order
of their ids. An id is made while its aggregate is locked, so an aggregate's events keep the order of their commits.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from marketplace_runtime.database import MAX_EVENT_AGE, Transaction, bucket_of

MAX_EVENTS_PER_CHUNK = 5000
MAX_REPUBLISH_AGE = MAX_EVENT_AGE - timedelta(hours=1)
"""Maximum age of an event that is published again. Consumers must still be able to detect that it is a duplicate."""

SELECT_RETAINED = """
select event_id, type, subject from messaging.outbox
where event_id >= messaging.uuid_floor($1) and event_id < messaging.uuid_floor($2) and event_id > $3
order by event_id fetch first $4 rows with ties
"""  # with ties: an event that is published in two versions has one id

INSERT_PENDING = """
insert into messaging.outbox_pending (event_id, type, bucket)
select event_id, type, bucket
from unnest($1::uuid[], $2::text[], $3::smallint[]) with ordinality as r (event_id, type, bucket, position)
where not exists (select from messaging.outbox_pending p where (p.event_id, p.type) = (r.event_id, r.type))
order by position
returning seq
"""

SELECT_LAST_SEQ = "select coalesce(max(seq), 0) from messaging.outbox_pending"

COUNT_UNCONFIRMED = "select count(*) from messaging.outbox_pending where seq <= $1"


class Queued(NamedTuple):
    """Result of queueing one chunk."""

    events: int
    """Number of events that will be published again. Events that were still pending are not counted."""
    last: int
    """Highest sequence number in `outbox_pending`. All events are published once no row up to it is left."""
    after: UUID | None
    """Event id after which the next chunk begins; None if this chunk was the last."""


def earliest(now: datetime) -> datetime:
    """Return the time from which on events may be published again."""
    return now - MAX_REPUBLISH_AGE


async def queue_again(
    tx: Transaction, *, since: datetime, until: datetime, after: UUID | None, chunk: int = MAX_EVENTS_PER_CHUNK
) -> Queued:
    """Queue the first `chunk` events made at or after `since` and before `until`, with ids greater than `after`.

    Repeating it does no harm, since consumers know the ids.
    """
    found = await tx.execute(SELECT_RETAINED, since, until, after or UUID(int=0), chunk)
    rows = sorted((row.event_id, row.type, bucket_of(row.subject)) for row in found)
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    queued = await tx.execute(INSERT_PENDING, *columns)
    [(last,)] = await tx.execute(SELECT_LAST_SEQ)
    return Queued(len(queued), last, rows[-1][0] if len(rows) >= chunk else None)


async def count_unconfirmed(tx: Transaction, last: int) -> int:
    """Return how many events, up to the sequence number `last`, the broker has not confirmed yet."""
    [(number,)] = await tx.execute(COUNT_UNCONFIRMED, last)
    return int(number)
