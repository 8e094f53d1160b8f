"""A real database for the catalog."""

from collections.abc import AsyncIterator

import pytest

from catalog.service import SERVICE
from infra.local import DatabaseUrls, PrivatePostgres
from infra.storage import Database, make_partitions, migrate
from tests.integration.catalog.web import Client, served


@pytest.fixture(scope="session")
async def catalog_urls(postgres: PrivatePostgres) -> DatabaseUrls:
    """A database of its own name, since others use the server too."""
    urls = await postgres.create_database("catalog_alone")
    await migrate(urls.owner, app_url=urls.app, migrations=SERVICE.migrations)
    return urls


@pytest.fixture
async def database(catalog_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """The service's database with nothing in it."""
    database = Database(catalog_urls.app, source="catalog", listeners=SERVICE.listeners)
    async with database.transaction() as tx:
        await make_partitions(tx)
        for table in ("products", "reservations"):
            await tx.execute(f"delete from {table}")
        for table in ("outbox", "outbox_pending", "scheduled", "idempotency_keys"):
            await tx.execute(f"delete from messaging.{table}")
    yield database
    await database.close()


@pytest.fixture
async def anyone(database: Database) -> AsyncIterator[Client]:
    async with served(SERVICE, database) as session:
        yield Client(session)


@pytest.fixture
def sam(anyone: Client) -> Client:
    return anyone.by("sam", "seller")
