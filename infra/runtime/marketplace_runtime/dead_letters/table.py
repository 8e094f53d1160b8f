"""Reads and writes the tables of dead letters, which wait for an operator, and of settled letters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketplace_runtime.amqp import DeadLetter
from marketplace_runtime.database import Database, Transaction

INSERT = """
insert into messaging.dead_letters
    (key, subscription, event_id, type, reason, error, attempts, failed_at, headers, body)
select * from unnest(
    $1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[],
    $9::jsonb[], $10::bytea[])
on conflict (key) do update set
    reason = excluded.reason, error = excluded.error, attempts = excluded.attempts, failed_at = excluded.failed_at,
    headers = excluded.headers, body = excluded.body
where messaging.dead_letters.failed_at < excluded.failed_at
"""

MAX_EVENT_BODY_BYTES = 256 * 1024
"""Maximum size of an event's body, in bytes. A larger body is no event, and is read only when it is requested."""

MAX_ID = 2**63 - 1

GROUPS = """
with groups as (
    select fingerprint, min(id) as first, count(*) as letters, min(filed_at) as oldest, max(filed_at) as newest
    from messaging.dead_letters where fingerprint > $2 group by fingerprint order by fingerprint limit $1)
select fingerprint as "group", subscription, reason, messaging.normalised(error) as error, letters, oldest, newest
from groups join messaging.dead_letters using (fingerprint)
where id = first order by fingerprint
"""

LETTERS = """
select id, fingerprint as "group", subscription, event_id, type, reason, error, attempts, failed_at, filed_at, headers,
    octet_length(body) as size
from messaging.dead_letters
where id > $2 and ($3::text is null or fingerprint = $3) order by id limit $1
"""

BODIES = "select id, body from messaging.dead_letters where id = any($1::bigint[])"

PICK = """
select id, octet_length(body), key, subscription, event_id, type, reason, error, attempts, failed_at, headers::text,
    case when octet_length(body) <= $6 then body else '' end
from messaging.dead_letters
where id > $2 and id <= $3 and ($4::text is null or fingerprint = $4) and ($5::bigint[] is null or id = any($5))
order by id limit $1
"""

NEWEST = "select coalesce(max(id), 0) from messaging.dead_letters"

SETTLE = """
with gone as (
    delete from messaging.dead_letters where id = any($1::bigint[]) returning *
), reset_counters as (
    delete from messaging.suspects as s using gone
    where s.subscription = gone.subscription and s.event_id = gone.event_id
)
insert into messaging.settled_letters (id, subscription, event_id, type, reason, error, attempts, failed_at, filed_at,
    headers, body, action, by, note)
select id, subscription, event_id, type, reason, error, attempts, failed_at, filed_at,
    headers, case when $2 <> 'replayed' then body end, $2, $3, $4 from gone order by id
"""

SETTLED = """
select settled, id, subscription, event_id, type, reason, error, filed_at, action, by, at, note
from messaging.settled_letters where settled < $2 order by settled desc limit $1
"""

DELETE_OLD_SETTLED = """
with oldest as (select settled, at from messaging.settled_letters order by settled limit $1)
delete from messaging.settled_letters using oldest
where settled_letters.settled = oldest.settled and oldest.at < now() - make_interval(days => $2)
returning settled_letters.settled
"""

MAX_ROWS_PER_DELETE = 1000


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """Holds a stored dead letter and the size of its body. A body larger than any event is left out."""

    id: int
    size: int
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects letters: those with these ids, or of this group, or all; of these, ids from `after` + 1 to `through`."""

    ids: Sequence[int] | None = None
    group: str | None = None
    after: int = 0
    through: int = MAX_ID


async def store(tx: Transaction, letters: Sequence[DeadLetter]) -> None:
    """Store `letters`, which must have different keys. Of several copies of one letter, the latest failure stays."""
    await tx.execute(
        INSERT,
        [letter.key for letter in letters],
        [letter.subscription for letter in letters],
        [letter.event_id for letter in letters],
        [letter.type for letter in letters],
        [letter.reason for letter in letters],
        [letter.error for letter in letters],
        [letter.attempts for letter in letters],
        [letter.failed_at for letter in letters],
        [json.dumps(letter.headers) for letter in letters],
        [letter.body for letter in letters],
    )


async def list_groups(tx: Transaction, limit: int, after: str = "") -> list[dict[str, Any]]:
    """Return the first `limit` groups of letters whose fingerprint is greater than `after`, by fingerprint."""
    return [dict(row._mapping) for row in await tx.execute(GROUPS, limit, after)]


async def list_letters(tx: Transaction, limit: int, after: int = 0, group: str | None = None) -> list[dict[str, Any]]:
    """Return at most `limit` letters after the id `after`, the oldest first, without their bodies."""
    return [dict(row._mapping) for row in await tx.execute(LETTERS, limit, after, group)]


async def read_bodies(tx: Transaction, ids: Sequence[int]) -> Mapping[int, bytes]:
    """Return the bodies of these letters by id."""
    return {row[0]: row[1] for row in await tx.execute(BODIES, list(ids))}


async def pick(tx: Transaction, selection: Selection, limit: int, *, lock: bool = True) -> list[StoredDeadLetter]:
    """Return the first `limit` letters of a selection, the oldest first.

    With `lock`, no other transaction can settle them until this one ends.
    """
    ids = None if selection.ids is None else list(selection.ids)
    rows = await tx.execute(
        PICK + "for update" if lock else PICK,
        *(limit, selection.after, selection.through, selection.group, ids, MAX_EVENT_BODY_BYTES),
    )
    return [StoredDeadLetter(row[0], row[1], DeadLetter(*[*row[2:10], json.loads(row[10]), row[11]])) for row in rows]


async def read_newest_id(tx: Transaction) -> int:
    """Return the id of the letter that was stored last, or 0 if there is none."""
    [(id,)] = await tx.execute(NEWEST)
    return int(id)


async def settle(tx: Transaction, ids: Sequence[int], action: str, *, by: str, note: str = "") -> None:
    """Move letters to the settled letters, with the action, the operator and the note. Resets their poison counters."""
    await tx.execute(SETTLE, list(ids), action, by, note)


async def list_settled(tx: Transaction, limit: int, before: int = MAX_ID) -> list[dict[str, Any]]:
    """Return at most `limit` settled letters before the number `before`, the latest first."""
    return [dict(row._mapping) for row in await tx.execute(SETTLED, limit, before)]


async def delete_old_settled(database: Database, days: int) -> None:
    """Delete letters that were settled more than `days` days ago. Call it regularly. Dead letters stay."""
    deleted = MAX_ROWS_PER_DELETE
    while deleted == MAX_ROWS_PER_DELETE:
        async with database.transaction() as tx:
            deleted = len(await tx.execute(DELETE_OLD_SETTLED, MAX_ROWS_PER_DELETE, days))
