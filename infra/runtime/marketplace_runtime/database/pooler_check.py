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

AT_ONCE = 4
"""Number of concurrent statements that test whether one of them gets the session of an idle connection."""
SESSION, SESSION_FOR_A_WHILE = "select pg_backend_pid()", "select pg_backend_pid() from pg_sleep(0.1)"
LENT = "A pooler lends the database's sessions out by the transaction"
REMEDY = "Give the service the database's own address, or one of a pooler in session mode that passes settings on."
SETTING, SET_TO = "statement_timeout", "select setting from pg_settings where name = $1"


class SharedSessions(Exception):
    """The service cannot work with the pooler in front of its database. The message says what to do."""


async def require_own_sessions(database: Database) -> None:
    """Raise `SharedSessions` unless each of our connections has a session of its own, with our settings.

    Without a pooler, the check costs one short connection. Raises the driver's errors, too.
    """
    try:
        async with AsyncExitStack() as opened:
            idle = await opened.enter_async_context(_connection(database))
            session = await idle.fetchval(SESSION)
            if session == idle.get_server_pid():
                return  # no pooler: one reports a made-up process id to its clients
            others = [await opened.enter_async_context(_connection(database)) for _ in range(AT_ONCE)]
            meanwhile = await asyncio.gather(*(other.fetchval(SESSION_FOR_A_WHILE) for other in others))
            if session in meanwhile or session != await idle.fetchval(SESSION):
                raise SharedSessions(f"{LENT}. {REMEDY}")
            if await idle.fetchval(SET_TO, SETTING) != database.server_settings[SETTING]:
                raise SharedSessions(f"A pooler drops our settings, such as {SETTING}. {REMEDY}")
    except asyncpg.PostgresError as error:
        match sqlstate(error):
            case "26000":  # the statement was prepared on another session
                raise SharedSessions(f"{LENT}: {error}. {REMEDY}") from error
            case "08P01":  # protocol violation: the pooler does not know a setting
                raise SharedSessions(f"A pooler refuses what we need: {error}. {REMEDY}") from error
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
