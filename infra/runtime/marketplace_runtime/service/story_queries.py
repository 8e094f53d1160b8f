"""Queries a service's database for the history of a subject, such as an order."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from marketplace_runtime.database import MAX_CLOCK_AHEAD, Transaction

MAX_ROWS = 500
"""Maximum number of rows of each kind. An order has dozens."""

PUBLISHED = """
select o.event_id, o.type, o.subject, o.at, o.causation_id,
    exists (select from messaging.outbox_pending p where (p.event_id, p.type) = (o.event_id, o.type)) as pending
from messaging.outbox o where o.event_id >= $3 and (o.subject = $1 or o.causation_id = any($2::uuid[]))
order by o.event_id limit $4
"""

HANDLED = """
select subscription, event_id, attempt, handled_at as at from messaging.inbox
where event_id = any($1::uuid[]) order by handled_at limit $2
"""

INCIDENTS = """
select subscription, event_id, type, what, attempt, why, at from messaging.incidents
where event_id = any($1::uuid[]) order by at limit $2
"""

WAITING = """
select subscription, event_id, type, due, attempt, why from messaging.scheduled
where subject = $1 or event_id = any($2::uuid[]) order by due limit $3
"""

DEAD = """
select id, subscription, event_id, type, reason, error, attempts, filed_at as at from messaging.dead_letters
where event_id = any($1::uuid[]) order by id limit $2
"""

SETTLED = """
select id, subscription, event_id, type, action, by, note, at from messaging.settled_letters
where event_id = any($1::uuid[]) order by settled limit $2
"""


async def query_story(tx: Transaction, subject: str, events: Sequence[UUID]) -> dict[str, list[dict[str, Any]]]:
    """Return `said` (published), `handled`, `incidents`, `waiting`, `dead` and `settled` rows, each ordered by time.

    This database knows other services' events only by their ids: pass the ids of the subject's events as `events`.
    """
    published = await _rows(tx, PUBLISHED, subject, list(events), least_event_id(subject), MAX_ROWS)
    ids = [*{*events, *(each["event_id"] for each in published)}]
    return {
        "said": published,
        "handled": await _rows(tx, HANDLED, ids, MAX_ROWS),
        "incidents": await _rows(tx, INCIDENTS, ids, MAX_ROWS),
        "waiting": await _rows(tx, WAITING, subject, ids, MAX_ROWS),
        "dead": await _rows(tx, DEAD, ids, MAX_ROWS),
        "settled": await _rows(tx, SETTLED, ids, MAX_ROWS),
    }


def least_event_id(subject: str) -> UUID:
    """Return the least id that an event of this subject can have.

    If the subject's own id is a UUIDv7, no event is older than the time in it, less the tolerated clock difference.
    """
    try:
        id = UUID(subject)
    except ValueError:
        return UUID(int=0)
    if id.version != 7:
        return UUID(int=0)
    created_ms = id.int >> 80  # not a datetime: a client sent the subject, and its time may be out of range
    return UUID(int=max(0, created_ms - MAX_CLOCK_AHEAD // timedelta(milliseconds=1)) << 80)


async def _rows(tx: Transaction, statement: str, *values: Any) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in await tx.execute(statement, *values)]
