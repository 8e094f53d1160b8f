"""Stores answers under clients' Idempotency-Keys, each committed with the effect that it reports."""

from dataclasses import dataclass

from marketplace_runtime.database import Database, Transaction

LOCK = "select pg_try_advisory_xact_lock(hashtextextended($1, 0))"

RECALL = """
select body_sha256, status, content_type, location, body from messaging.idempotency_keys
where caller = $1 and route = $2 and key = $3
"""

KEEP = """
insert into messaging.idempotency_keys (caller, route, key, body_sha256, status, content_type, location, body)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""

FORGET = """
delete from messaging.idempotency_keys
where caller = $1 and (location = $2 or starts_with(route, 'POST ' || $2 || '/'))
"""

FORGET_OLD = """
with old as (
    select ctid from messaging.idempotency_keys where created_at < now() - make_interval(days => $2)
    order by created_at limit $1 for update skip locked)
delete from messaging.idempotency_keys where ctid = any(array(select ctid from old)) returning 1
"""
CHUNK = 1000
"""Maximum rows that one transaction of `forget_old` deletes."""


@dataclass(frozen=True, slots=True)
class Kept:
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


async def recall(tx: Transaction, caller: str, route: str, key: str) -> Kept | None:
    """Return the answer stored under this key, or None."""
    rows = await tx.execute(RECALL, caller, route, key)
    return Kept(*rows[0]) if rows else None


async def keep(tx: Transaction, caller: str, route: str, key: str, kept: Kept) -> None:
    """Store an answer; others see it once the transaction commits."""
    await tx.execute(
        KEEP, caller, route, key, kept.body_sha256, kept.status, kept.content_type, kept.location, kept.body
    )


async def forget_answers(tx: Transaction, caller: str, path: str) -> None:
    """Delete a caller's answers about the resource at `path`: to its creation, and to POST requests below its path."""
    await tx.execute(FORGET, caller, path)


async def forget_old(database: Database, days: int) -> None:
    """Delete answers older than `days` days. From then on, a request with the same key is a new one."""
    forgotten = CHUNK
    while forgotten == CHUNK:
        async with database.transaction() as tx:
            forgotten = len(await tx.execute(FORGET_OLD, CHUNK, days))
