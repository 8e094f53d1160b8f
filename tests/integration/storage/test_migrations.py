"""Each service's migrations create the tables of its store, even if several replicas run them at once."""

import asyncio
import importlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, MetaData, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import SchemaOutdated, migrate, migrate_in_subprocess, require_current_schema
from marketplace_runtime.service import Service

PYPROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
SERVICES = PYPROJECT["tool"]["marketplace"]["services"]
REPLICAS = 2


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    return importlib.import_module(f"{request.param}.service").SERVICE


@pytest.fixture(scope="module")
def metadata(service: Service) -> MetaData:
    return importlib.import_module(f"{service.name}.store").metadata


@pytest.fixture(scope="module")
async def urls(postgres: PrivatePostgres, service: Service) -> DatabaseUrls:
    """Create an empty database, start several replicas on it together, and return its URLs."""
    made = await postgres.create_database(f"{service.name}_migrated")
    with pytest.raises(SchemaOutdated):
        await require_current_schema(made.app, service.migrations)
    await asyncio.gather(*(start_of_a_replica(made, service) for _ in range(REPLICAS)))
    return made


async def start_of_a_replica(urls: DatabaseUrls, service: Service) -> None:
    await migrate_in_subprocess(urls.owner, app_url=urls.app, migrations=service.migrations)
    await require_current_schema(urls.app, service.migrations)


async def seen(url: str, look: Callable[[Connection], Any]) -> Any:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(look)
    finally:
        await engine.dispose()


async def test_the_migrated_database_matches_the_store(urls: DatabaseUrls, metadata: MetaData) -> None:
    def differences(connection: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert metadata.tables
    assert await seen(urls.owner, differences) == []


async def test_the_constraints_of_the_database_match_the_store(urls: DatabaseUrls, metadata: MetaData) -> None:
    def guarded(connection: Connection) -> set[str]:
        inspector = inspect(connection)
        return {each["name"] for table in metadata.tables for each in inspector.get_check_constraints(table)}

    named = {
        each.name
        for table in metadata.tables.values()
        for each in table.constraints
        if isinstance(each, CheckConstraint)
    }
    assert await seen(urls.owner, guarded) == named


async def test_migrating_again_changes_nothing(urls: DatabaseUrls, service: Service) -> None:
    def shape(connection: Connection) -> list[tuple[Any, ...]]:
        columns = "select table_schema, table_name, column_name, data_type from information_schema.columns"
        versions = "select version_num from alembic_version union all select version_num from messaging.alembic_version"
        where = " where table_schema in ('public', 'messaging') order by 1, 2, 3"
        return [*map(tuple, connection.execute(text(columns + where))), *map(tuple, connection.execute(text(versions)))]

    before = await seen(urls.owner, shape)
    await migrate(urls.owner, app_url=urls.app, migrations=service.migrations)
    assert await seen(urls.owner, shape) == before
