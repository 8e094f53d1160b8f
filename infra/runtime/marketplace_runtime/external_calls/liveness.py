"""Detects dead processes of a service, and releases their claims and leases before these expire.

A live process holds a session-level advisory lock that names it. The database drops the lock when the process dies.
A missing lock does not prove a death: a restarted server has dropped the locks of all processes, which may have calls
under way. So a process of this machine is checked through the kernel. A process of another machine counts as dead
after its lock was missing for `DEAD_AFTER_S`, in which a live process would have taken it again.
"""

import asyncio
import random
from time import monotonic

import asyncpg

from marketplace_runtime.database import (
    ADVISORY_LOCK_FILTER,
    DATABASE_CONNECTION_ERRORS,
    LOCAL_ID_BITS,
    Database,
    Transaction,
)
from marketplace_runtime.external_calls import local_liveness
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

PING_INTERVAL_S, MAX_RECONNECT_PAUSE_S = 0.5, 0.5
ANSWER_TIMEOUT_S = 3.0
"""Timeout for an answer of the database, and for connecting to it."""
DEAD_AFTER_S = PING_INTERVAL_S + ANSWER_TIMEOUT_S + MAX_RECONNECT_PAUSE_S + ANSWER_TIMEOUT_S
"""Time in which a live process notices a lost connection and takes its lock again, once the database is back."""

LOCK_CLASS = 7205
"""First half of the key of the two-part advisory lock that a live process holds."""

TAKE_LIVENESS_LOCK = f"select pg_advisory_lock({LOCK_CLASS}, $1::int)"

LIVE_PROCESSES = (
    f"select objid::bigint from pg_locks where {ADVISORY_LOCK_FILTER} and classid = {LOCK_CLASS} and objsubid = 2"  # noqa: S608 - a constant
)

LOCK_KEY_MASK = 2**LOCAL_ID_BITS - 1
"""Mask of the lower bits of a process id, which fit into the second half of the lock's key."""


def lacks_liveness_lock(holder: str) -> str:
    """Return an SQL condition: nobody holds the liveness lock of `holder`, a column or parameter."""
    return f"({holder} & {LOCK_KEY_MASK}) not in ({LIVE_PROCESSES})"


MISSING_HOLDERS = f"""
select distinct holder from (
    select holder from messaging.claims
    union all select holder from messaging.scheduled where holder is not null and due > now()
) as held where holder <> $1 and {lacks_liveness_lock("holder")}
"""  # noqa: S608 - constants

RELEASE = """
with freed as (
    update messaging.scheduled set due = now(), holder = null, deaths = deaths + 1
    where due > now() and holder = any($1::bigint[])
)
delete from messaging.claims where holder = any($1::bigint[])
"""


async def release_orphaned_claims(tx: Transaction, missing_since: dict[int, float]) -> None:
    """Release the claims and leases of dead processes, and count a death for each leased entry of the schedule.

    `missing_since` is the caller's state: the monotonic time since which each holder's lock is missing. Clear it
    if this function raises: a holder that was missing before may have been present meanwhile.
    """
    now = monotonic()
    found = {row[0] for row in await tx.execute(MISSING_HOLDERS, tx.process_id)}
    for holder in missing_since.keys() - found:
        del missing_since[holder]
    for holder in found:
        missing_since.setdefault(holder, now)
    dead = [holder for holder, since in missing_since.items() if _is_dead(holder, now - since)]
    if dead:
        await tx.execute(RELEASE, dead)


def _is_dead(holder: int, missing_s: float) -> bool:
    alive = local_liveness.is_alive_locally(holder)
    return missing_s >= DEAD_AFTER_S if alive is None else not alive


async def hold_lock(database: Database) -> None:
    """Keep this process detectable as alive until cancelled. Reconnects whenever the database connection is lost.

    Uses a connection of its own. The loss of a shared one could go unnoticed, for example while the relay that uses it
    waits for the broker.
    """
    with local_liveness.bind_liveness_socket(database.process_id):
        while True:
            try:
                await _hold_lock_until_lost(database)
            except DATABASE_CONNECTION_ERRORS as error:
                log.debug("liveness: database connection lost", error=repr(error))
            await asyncio.sleep(random.uniform(0, MAX_RECONNECT_PAUSE_S))  # noqa: S311 - jitter


async def _hold_lock_until_lost(database: Database) -> None:
    connection = await asyncpg.connect(
        database.dsn,
        timeout=ANSWER_TIMEOUT_S,
        command_timeout=ANSWER_TIMEOUT_S,
        server_settings={"application_name": f"{database.source} presence"},
    )
    try:
        await connection.execute(TAKE_LIVENESS_LOCK, database.process_id & LOCK_KEY_MASK)
        while True:
            await asyncio.sleep(PING_INTERVAL_S)
            if await connection.fetchval("select pg_is_in_recovery()"):
                raise ConnectionError("connected to a standby server: the lock must be held on the primary")
    finally:
        connection.terminate()
