"""Bring a service's database to the state that its code expects."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from marketplace_runtime.database.errors import ErrorKind, classify_error, sqlstate
from marketplace_runtime.database.schema import DEFAULT_SCHEMA, use_schema

RUNTIME_MIGRATIONS = Path(__file__).parent / "migrations"
ATTEMPTS, RETRY_PAUSE_S = 30, 1.0
MIGRATION_LOCK = 7_205_759_403
"""Key of an advisory lock: an arbitrary number, the same in every replica. One replica migrates; the others wait, and
find nothing left to do."""

_migration_lock = asyncio.Lock()
"""Serializes migrations in this process, since Alembic's `op` is global."""


class SchemaOutdated(Exception):
    """The database lacks migrations. Start the service once with MIGRATION_DATABASE_URL set."""


class MigrationFailed(Exception):
    """A migration failed; its own message is in the log above."""


async def migrate(owner_url: str, *, app_url: str, migrations: Path, schema: str = DEFAULT_SCHEMA) -> None:
    """Run the missing migrations of the runtime, then those of the service, each in one transaction.

    A transaction waits at most 2 s for a table lock, since other statements on that table queue behind it. If it gets
    no lock, it is rolled back and tried again, up to 30 times. Replicas that start together wait for one another.
    The service runs as the role of `app_url`: that role is granted reading and writing of every table, and owns none.
    """
    from marketplace_runtime.database.alembic_scripts import (
        grant,  # imported here: a service whose schema is current saves Alembic's 11 MB
        upgrade,
    )

    app_role = make_url(app_url).username
    if app_role is None:
        raise ValueError("the service's database address names no role: add the user name")
    engine = create_async_engine(make_url(owner_url).set(drivername="postgresql+asyncpg"))
    use_schema(engine.sync_engine, schema)
    try:
        async with _migration_lock:
            await _run(engine, schema, upgrade, RUNTIME_MIGRATIONS, schema)
            await _run(engine, schema, upgrade, migrations, "public")
            await _run(engine, schema, grant, app_role, schema)
    finally:
        await engine.dispose()


async def _run(engine: AsyncEngine, schema: str, step: Callable[..., None], *arguments: object) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with engine.begin() as connection:
                await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
                await connection.execute(text("set local lock_timeout = '2s'"))
                await connection.execute(text(f"create schema if not exists {schema}"))
                await connection.run_sync(step, *arguments)
            return
        except DBAPIError as error:
            if attempt == ATTEMPTS or classify_error(error) not in (ErrorKind.BUSY, ErrorKind.CONFLICT):
                raise
            await asyncio.sleep(RETRY_PAUSE_S)


async def require_current_schema(app_url: str, migrations: Path, schema: str = DEFAULT_SCHEMA) -> None:
    """Raise `SchemaOutdated` unless all migrations of the runtime and of the service have been run.

    Does without Alembic: file names of migrations begin with their revision, and revisions are numbered.
    """
    engine = create_async_engine(make_url(app_url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            for scripts, its_schema in ((RUNTIME_MIGRATIONS, schema), (migrations, "public")):
                newest = max(each.name.partition("_")[0] for each in (scripts / "versions").glob("[0-9]*.py"))
                found = await connection.scalar(text(f"select version_num from {its_schema}.alembic_version"))  # noqa: S608 - checked names
                if found != newest:
                    raise SchemaOutdated(
                        f"{its_schema} is at {found}, the code needs {newest}. {SchemaOutdated.__doc__}"
                    )
    except Exception as error:
        if sqlstate(error) == "42P01":  # no such table
            raise SchemaOutdated(SchemaOutdated.__doc__) from error
        raise
    finally:
        await engine.dispose()


async def migrate_in_subprocess(
    owner_url: str, *, app_url: str, migrations: Path, schema: str = DEFAULT_SCHEMA
) -> None:
    """Run `migrate` in a child process, so that neither Alembic nor a connection as the owner stays in this one.

    Raises `MigrationFailed` if the child fails.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "marketplace_runtime.database",
        str(migrations),
        schema,
        env=os.environ | {"MIGRATION_DATABASE_URL": owner_url, "DATABASE_URL": app_url},
    )
    if await child.wait():
        raise MigrationFailed
