"""Bring a service's database to the state that its code expects."""

import asyncio
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from infra.storage.errors import sqlstate

OWN = Path(__file__).parent / "migrations"
LOCK = 7_205_759_403
"""Any number, the same in every replica: one migrates, the others wait and find it done."""


_one_at_a_time = asyncio.Lock()
"""Alembic's `op` is one for the whole process."""


class SchemaBehind(Exception):
    """The database lacks migrations. Start the service once with MIGRATION_DATABASE_URL set."""


async def migrate(owner_url: str, *, app_url: str, migrations: Path) -> None:
    """Run what is missing of the runtime's and the service's own migrations, each in one transaction.

    Replicas that start together wait for one another. The role of `app_url`, which the service runs as,
    is granted reading and writing of every table and owns none.
    """
    app_role = make_url(app_url).username
    if app_role is None:
        raise ValueError("the service's database address names no role")
    engine = create_async_engine(make_url(owner_url).set(drivername="postgresql+asyncpg"))
    try:
        async with _one_at_a_time, engine.begin() as connection:
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            await connection.execute(text("create schema if not exists messaging"))
            await connection.run_sync(_upgrade, OWN, "messaging")
            await connection.run_sync(_upgrade, migrations, "public")
            await connection.run_sync(_grant, app_role)
    finally:
        await engine.dispose()


async def require_current(app_url: str, migrations: Path) -> None:
    """Raise `SchemaBehind` unless both histories are at their newest version."""
    engine = create_async_engine(make_url(app_url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            for scripts, schema in ((OWN, "messaging"), (migrations, "public")):
                newest = ScriptDirectory.from_config(_config(scripts)).get_current_head()
                found = await connection.scalar(text(f"select version_num from {schema}.alembic_version"))  # noqa: S608 - two fixed names
                if found != newest:
                    raise SchemaBehind(f"{schema} is at {found}, the code needs {newest}. {SchemaBehind.__doc__}")
    except Exception as error:
        if sqlstate(error) == "42P01":  # no such table
            raise SchemaBehind(SchemaBehind.__doc__) from error
        raise
    finally:
        await engine.dispose()


def _config(location: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection, location: Path, schema: str) -> None:
    config = _config(location)
    scripts = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, scripts) as environment:
        environment.configure(
            connection=connection,
            version_table_schema=schema,
            fn=lambda revision, _: scripts._upgrade_revs("head", revision),
        )
        environment.run_migrations()


def _grant(connection: Connection, app_role: str) -> None:
    role = connection.dialect.identifier_preparer.quote_identifier(app_role)
    for schema in ("messaging", "public"):
        for statement in (
            f"grant usage on schema {schema} to {role}",
            f"grant select, insert, update, delete on all tables in schema {schema} to {role}",
            f"grant usage on all sequences in schema {schema} to {role}",
            f"revoke insert, update, delete on {schema}.alembic_version from {role}",
        ):
            connection.execute(text(statement))
    connection.execute(text(f"grant execute on all functions in schema messaging to {role}"))
