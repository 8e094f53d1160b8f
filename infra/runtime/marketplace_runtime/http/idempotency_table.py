"""Stores answers under clients' Idempotency-Keys, each committed with the effect that it reports."""

from dataclasses import dataclass

from marketplace_runtime.database import Database, Transaction

LOCK = "select pg_try_advisory_xact_lock(hashtextextended($1, 0))"

SELECT = """
select body_sha256, status, content_type, location, body from messaging.idempotency_keys
where caller = $1 and route = $2 and key = $3
"""

INSERT = """
insert into messaging.idempotency_keys (caller, route, key, body_sha256, status, content_type, location, body)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""

DELETE = """
delete from messaging.idempotency_keys
where caller = $1 and (location = $2 or starts_with(route, 'POST ' || $2 || '/'))
"""

DELETE_OLD = """
with old as (
    select ctid from messaging.idempotency_keys where created_at < now() - make_interval(days => $2)
    order by created_at limit $1 for update skip locked)
delete from messaging.idempotency_keys where ctid = any(array(select ctid from old)) returning 1
"""
DELETE_BATCH_SIZE = 1000
"""Maximum rows that one transaction of `delete_old_answers` deletes."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The stored answer to the first request with a key."""

    body_sha256: bytes
    status: int
    content_type: str
    location: str | None
    body: bytes


async def try_lock(tx: Transaction, caller: str, route: str, key: str) -> bool:
    """Lock the key until the transaction ends. Returns False if another request with it is in flight."""
    [(locked,)] = await tx.execute(LOCK, f"{caller}\x1f{route}\x1f{key}")
    return bool(locked)


async def find_answer(tx: Transaction, caller: str, route: str, key: str) -> StoredAnswer | None:
    """Return the answer stored under this key, or None."""
    rows = await tx.execute(SELECT, caller, route, key)
    return StoredAnswer(*rows[0]) if rows else None


async def store_answer(tx: Transaction, caller: str, route: str, key: str, stored: StoredAnswer) -> None:
    """Store an answer; others see it once the transaction commits."""
    await tx.execute(
        INSERT, caller, route, key, stored.body_sha256, stored.status, stored.content_type, stored.location, stored.body
    )


async def delete_stored_answers(tx: Transaction, caller: str, path: str) -> None:
    """Delete the answers to a caller's requests that created the resource at `path`, or were POSTed below that path."""
    await tx.execute(DELETE, caller, path)


async def delete_old_answers(database: Database, days: int) -> None:
    """Delete answers older than `days` days. From then on, a request with the same key is a new one."""
    deleted = DELETE_BATCH_SIZE
    while deleted == DELETE_BATCH_SIZE:
        async with database.transaction() as tx:
            deleted = len(await tx.execute(DELETE_OLD, DELETE_BATCH_SIZE, days))
