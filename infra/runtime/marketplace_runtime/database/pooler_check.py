"""Detects a connection pooler, in front of the database, that shares sessions between its clients.

Replicas find one another by session locks and wake one another by LISTEN, and every session has its own timeouts. A
pooler in transaction mode gives each transaction any session that is free. Behind it, all of that fails without an
error.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from marketplace_runtime.database.database import Database
from marketplace_runtime.database.errors import sqlstate

CONCURRENT_CHECKS = 4
"""Number of concurrent statements that test whether one of them gets the session of an idle connection."""
SELECT_SESSION, SELECT_SESSION_SLOWLY = "select pg_backend_pid()", "select pg_backend_pid() from pg_sleep(0.1)"
SHARES_SESSIONS = "A pooler assigns database sessions per transaction"
REMEDY = "Give the service the database's own address, or that of a pooler in session mode that passes settings on."
SETTING, SELECT_SETTING = "statement_timeout", "select setting from pg_settings where name = $1"


class UnsupportedPooler(Exception):
    """The service cannot work with the pooler in front of its database. The message says what to do."""


async def require_dedicated_sessions(database: Database) -> None:
    """Raise `UnsupportedPooler` unless each of our connections has a session of its own, with our settings.

    Without a pooler, the check costs one short connection. Raises the driver's errors, too.
    """
    try:
        async with AsyncExitStack() as opened:
            idle = await opened.enter_async_context(_connection(database))
            session = await idle.fetchval(SELECT_SESSION)
            if session == idle.get_server_pid():
                return  # no pooler: a pooler would report a made-up process id
            others = [await opened.enter_async_context(_connection(database)) for _ in range(CONCURRENT_CHECKS)]
            concurrent_sessions = await asyncio.gather(*(other.fetchval(SELECT_SESSION_SLOWLY) for other in others))
            if session in concurrent_sessions or session != await idle.fetchval(SELECT_SESSION):
                raise UnsupportedPooler(f"{SHARES_SESSIONS}. {REMEDY}")
            if await idle.fetchval(SELECT_SETTING, SETTING) != database.server_settings[SETTING]:
                raise UnsupportedPooler(f"A pooler drops our settings, such as {SETTING}. {REMEDY}")
    except asyncpg.PostgresError as error:
        match sqlstate(error):
            case "26000":  # the statement was prepared on another session
                raise UnsupportedPooler(f"{SHARES_SESSIONS}: {error}. {REMEDY}") from error
            case "08P01":  # protocol violation: the pooler does not know a setting
                raise UnsupportedPooler(f"A pooler refuses what we need: {error}. {REMEDY}") from error
        raise


@asynccontextmanager
async def _connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        database.dsn,
        timeout=database.pool_timeout_s,
        command_timeout=database.pool_timeout_s,
        server_settings=database.server_settings,
    )
    try:
        yield connection
    finally:
        connection.terminate()
