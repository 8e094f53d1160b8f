"""A real database for the catalog."""

from collections.abc import AsyncIterator

import pytest

from catalog.service import SERVICE
from infra.local import DatabaseUrls, private_postgres
from infra.storage import Database, make_partitions, migrate


@pytest.fixture(scope="session")
async def catalog_urls() -> AsyncIterator[DatabaseUrls]:
    async with private_postgres(databases=["catalog"]) as postgres:
        urls = postgres.server.urls("catalog")
        await migrate(urls.owner, app_url=urls.app, migrations=SERVICE.migrations)
        yield urls


@pytest.fixture
async def database(catalog_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """The service's database with nothing in it."""
    database = Database(catalog_urls.app, source="catalog", listeners=SERVICE.listeners)
    async with database.transaction() as tx:
        await make_partitions(tx)
        for table in ("products", "reservations"):
            await tx.execute(f"delete from {table}")
        for table in ("outbox", "outbox_pending", "scheduled"):
            await tx.execute(f"delete from messaging.{table}")
    yield database
    await database.close()
