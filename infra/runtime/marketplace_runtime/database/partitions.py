"""Creates daily partitions of inbox, outbox and incidents before inserts need them, and drops old ones."""

import asyncio

from marketplace_runtime.database.database import Database
from marketplace_runtime.database.errors import is_transient, is_unavailable
from marketplace_runtime.database.ids import MAX_EVENT_AGE
from marketplace_runtime.database.transaction import Transaction
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

DAYS_BACK, DAYS_AHEAD = 8, 2
MIN_RETENTION_DAYS = MAX_EVENT_AGE.days + 1
"""Shortest retention, in days. It is `MAX_EVENT_AGE` plus one day, since partitions are dropped by whole days."""
LOCK_TIMEOUT_MS = 100
"""Limit for the wait for an exclusive lock, as inserts queue behind it. After that the work is left for later."""
ATTEMPTS, PAUSE_S = 5, 0.5
PARTITION_LOCK = 7_205_759_404

MAKE = """
select messaging.make_partitions(
    (now() at time zone 'utc')::date - $1::int, (now() at time zone 'utc')::date + $2::int)
"""

DROP = "select messaging.drop_partition($1, (now() at time zone 'utc')::date - $2::int)"


async def make_partitions(tx: Transaction) -> None:
    """Create the missing partitions from 8 days ago to the day after tomorrow. Call it at least daily.

    It needs an exclusive lock on each table for a moment. If a long query keeps the table, the transaction fails by
    its lock timeout: call it again.
    """
    await tx.execute(f"select pg_advisory_xact_lock({PARTITION_LOCK})")
    await tx.execute(f"set local lock_timeout = {LOCK_TIMEOUT_MS}")
    await tx.execute(MAKE, DAYS_BACK, DAYS_AHEAD)


async def drop_partitions(database: Database, days: int) -> list[str]:
    """Drop the partitions older than `days` days, and return their names. Call it now and then.

    Keeps outbox partitions that contain pending events. Does nothing while another replica is making or dropping
    partitions. A drop needs an exclusive lock on its table for a moment. If it does not get that soon, it is left to
    the next call.
    """
    dropped: list[str] = []
    for parent in ("inbox", "outbox", "incidents"):
        attempts = 0
        while attempts < ATTEMPTS:
            try:
                async with database.transaction() as tx:
                    name = await _drop_one(tx, parent, days)
            except Exception as error:
                if is_unavailable(error) or not is_transient(error):
                    raise
                attempts += 1
                await asyncio.sleep(PAUSE_S)
                continue
            if name is None:
                break
            log.info("partition dropped", partition=name, kept_days=days)
            dropped.append(name)
        else:
            log.warning("old partitions stay for now: their table is busy", table=parent)
    return dropped


async def _drop_one(tx: Transaction, parent: str, days: int) -> str | None:
    await tx.execute(f"set local lock_timeout = {LOCK_TIMEOUT_MS}")
    [(free,)] = await tx.execute(f"select pg_try_advisory_xact_lock({PARTITION_LOCK})")
    if not free:
        return None
    [(name,)] = await tx.execute(DROP, parent, days)
    return None if name is None else str(name)
