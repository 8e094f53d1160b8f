"""Which processes of a service are alive, so that nobody waits for a dead one's leases to run out.

A live process holds a session lock that names it; the server drops the lock when the process dies. But a missing
lock is no death: a server that restarts has dropped everyone's, with calls under way. So the kernel is asked about
a process of this machine; one elsewhere counts as dead once it was missing for as long as it takes to come back.
"""

import asyncio
import random
from time import monotonic

import asyncpg

from marketplace_runtime.database import BITS, HERE, LOST, Database, Transaction
from marketplace_runtime.external_calls import local_liveness
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

PING_S, RECONNECT_CAP_S = 0.5, 0.5
ANSWER_S = 3.0
"""How long the database may take to answer, and to let a process in."""
MISSING_S = PING_S + ANSWER_S + RECONNECT_CAP_S + ANSWER_S
"""Who lives has noticed a loss and announced itself again within this time after the database is back."""

CLASS = 7205
"""The first half of the two-part advisory lock that says "this process is here"."""

ANNOUNCE = f"select pg_advisory_lock({CLASS}, $1::int)"

ALIVE = f"select objid::bigint from pg_locks where {HERE} and classid = {CLASS} and objsubid = 2"  # noqa: S608 - a constant

LOCKED = 2**BITS - 1
"""The lower bits of a process id: what its lock has room for."""


def missing(holder: str) -> str:
    """A condition: the lock of `holder`, a column or parameter, is not there."""
    return f"({holder} & {LOCKED}) not in ({ALIVE})"


MISSING = f"""
select distinct holder from (
    select holder from messaging.claims
    union all select holder from messaging.scheduled where holder is not null and due > now()
) as held where holder <> $1 and {missing("holder")}
"""  # noqa: S608 - constants

FREE = """
with freed as (
    update messaging.scheduled set due = now(), holder = null, deaths = deaths + 1
    where due > now() and holder = any($1::bigint[])
)
delete from messaging.claims where holder = any($1::bigint[])
"""


async def release_expired_claims(tx: Transaction, missed: dict[int, float]) -> None:
    """Give back the claims and leases of processes that are gone.

    `missed` is the caller's memory from look to look: since when each holder is missing, by the monotonic clock.
    It has to be emptied when a look fails: whoever was missing before may have been there in between.
    """
    now = monotonic()
    found = {row[0] for row in await tx.execute(MISSING, tx.process_id)}
    for holder in missed.keys() - found:
        del missed[holder]
    for holder in found:
        missed.setdefault(holder, now)
    dead = [holder for holder, since in missed.items() if _is_dead(holder, now - since)]
    if dead:
        await tx.execute(FREE, dead)


def _is_dead(holder: int, missing_s: float) -> bool:
    alive = local_liveness.lives_here(holder)
    return missing_s >= MISSING_S if alive is None else not alive


async def announce(database: Database) -> None:
    """Have this process found alive until cancelled, whatever happens to its database.

    On a connection of its own: a relay that waits for its broker would not notice that it lost another.
    """
    with local_liveness.living_here(database.process_id):
        while True:
            try:
                await _hold_lock(database)
            except LOST as error:
                log.debug("presence: database connection lost", error=repr(error))
            await asyncio.sleep(random.uniform(0, RECONNECT_CAP_S))  # noqa: S311 - jitter


async def _hold_lock(database: Database) -> None:
    connection = await asyncpg.connect(
        database.dsn,
        timeout=ANSWER_S,
        command_timeout=ANSWER_S,
        server_settings={"application_name": f"{database.source} presence"},
    )
    try:
        await connection.execute(ANNOUNCE, database.process_id & LOCKED)
        while True:
            await asyncio.sleep(PING_S)
            if await connection.fetchval("select pg_is_in_recovery()"):
                raise ConnectionError("the server is a standby: what counts is the lock on its primary")
    finally:
        connection.terminate()
