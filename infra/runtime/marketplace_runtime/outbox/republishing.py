"""Events that were published once and are to be published again, under their ids: after a loss of the broker's data.

They go back into `outbox_pending`, in bounded chunks, and from there to the relay like any other. The order is
that of their ids, which were made while their aggregate was locked.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from marketplace_runtime.database import HORIZON, Transaction, bucket_of

CHUNK = 5000
RETAINED = HORIZON - timedelta(hours=1)
"""How far back it goes: whoever hears an event must still be able to tell that it is a duplicate."""

RETAINED_ROWS = """
select event_id, type, subject from messaging.outbox
where event_id >= messaging.uuid_floor($1) and event_id < messaging.uuid_floor($2) and event_id > $3
order by event_id fetch first $4 rows with ties
"""  # with ties: an event that is said in two versions has one id

PUT_BACK = """
insert into messaging.outbox_pending (event_id, type, bucket)
select event_id, type, bucket
from unnest($1::uuid[], $2::text[], $3::smallint[]) with ordinality as r (event_id, type, bucket, position)
where not exists (select from messaging.outbox_pending p where (p.event_id, p.type) = (r.event_id, r.type))
order by position
returning seq
"""

LAST = "select coalesce(max(seq), 0) from messaging.outbox_pending"

WAITING = "select count(*) from messaging.outbox_pending where seq <= $1"


class Queued(NamedTuple):
    """What became of one chunk."""

    events: int
    """How many will be published again; what was still pending is not among them."""
    last: int
    """The last place of the line that leads to the relay: they have all left when nothing up to it waits."""
    after: UUID | None
    """Where the next chunk begins; None when this was the last."""


def earliest(now: datetime) -> datetime:
    """The oldest event that may be published again."""
    return now - RETAINED


async def queue_again(
    tx: Transaction, *, since: datetime, until: datetime, after: UUID | None, chunk: int = CHUNK
) -> Queued:
    """Have the relay publish again the first `chunk` events made from `since` to `until`, beyond `after`.

    Repeating it does no harm: consumers know the ids.
    """
    found = await tx.execute(RETAINED_ROWS, since, until, after or UUID(int=0), chunk)
    rows = sorted((row.event_id, row.type, bucket_of(row.subject)) for row in found)
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    queued = await tx.execute(PUT_BACK, *columns)
    [(last,)] = await tx.execute(LAST)
    return Queued(len(queued), last, rows[-1][0] if len(rows) >= chunk else None)


async def waiting(tx: Transaction, last: int) -> int:
    """How many events, up to the place `last`, the broker has not confirmed yet."""
    [(number,)] = await tx.execute(WAITING, last)
    return int(number)
