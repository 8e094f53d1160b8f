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

from marketplace_runtime.database.errors import Verdict, sqlstate, verdict_on
from marketplace_runtime.database.schema import WRITTEN, use_schema

OWN = Path(__file__).parent / "migrations"
ATTEMPTS, AGAIN_S = 30, 1.0
LOCK = 7_205_759_403
"""Any number, the same in every replica: one migrates, the others wait and find it done."""

_one_at_a_time = asyncio.Lock()
"""Alembic's `op` is one for the whole process."""


class SchemaBehind(Exception):
    """The database lacks migrations. Start the service once with MIGRATION_DATABASE_URL set."""


class MigrationFailed(Exception):
    """A migration failed; its own message is in the log above."""


async def migrate(owner_url: str, *, app_url: str, migrations: Path, schema: str = WRITTEN) -> None:
    """Run what is missing of the runtime's and the service's own migrations, each history in one transaction.

    Waits for no lock longer than 2 s, as all who come after would wait, too; then that history is begun again.
    Replicas that start together wait for one another. The role of `app_url`, which the service runs as, is granted
    reading and writing of every table and owns none.
    """
    from marketplace_runtime.database.alembic_scripts import (
        grant,  # Alembic takes 11 MB, which a service that is current saves
        upgrade,
    )

    app_role = make_url(app_url).username
    if app_role is None:
        raise ValueError("the service's database address names no role")
    engine = create_async_engine(make_url(owner_url).set(drivername="postgresql+asyncpg"))
    use_schema(engine.sync_engine, schema)
    try:
        async with _one_at_a_time:
            await _run(engine, schema, upgrade, OWN, schema)
            await _run(engine, schema, upgrade, migrations, "public")
            await _run(engine, schema, grant, app_role, schema)
    finally:
        await engine.dispose()


async def _run(engine: AsyncEngine, schema: str, step: Callable[..., None], *arguments: object) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with engine.begin() as connection:
                await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
                await connection.execute(text("set local lock_timeout = '2s'"))
                await connection.execute(text(f"create schema if not exists {schema}"))
                await connection.run_sync(step, *arguments)
            return
        except DBAPIError as error:
            if attempt == ATTEMPTS or verdict_on(error) not in (Verdict.BUSY, Verdict.CONFLICT):
                raise
            await asyncio.sleep(AGAIN_S)


async def require_current(app_url: str, migrations: Path, schema: str = WRITTEN) -> None:
    """Raise `SchemaBehind` unless both histories are at their newest version.

    A migration's file name begins with its revision, and revisions are numbered: that is enough to know the newest.
    """
    engine = create_async_engine(make_url(app_url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            for scripts, its_schema in ((OWN, schema), (migrations, "public")):
                newest = max(each.name.partition("_")[0] for each in (scripts / "versions").glob("[0-9]*.py"))
                found = await connection.scalar(text(f"select version_num from {its_schema}.alembic_version"))  # noqa: S608 - checked names
                if found != newest:
                    raise SchemaBehind(f"{its_schema} is at {found}, the code needs {newest}. {SchemaBehind.__doc__}")
    except Exception as error:
        if sqlstate(error) == "42P01":  # no such table
            raise SchemaBehind(SchemaBehind.__doc__) from error
        raise
    finally:
        await engine.dispose()


async def migrate_in_a_process_of_its_own(
    owner_url: str, *, app_url: str, migrations: Path, schema: str = WRITTEN
) -> None:
    """`migrate`, without what it needs staying in this process: Alembic, and a connection as the owner."""
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
