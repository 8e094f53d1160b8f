"""A real database for the catalog."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from catalog.service import SERVICE
from infra.local import DatabaseUrls, private_postgres
from infra.storage import Database, make_partitions, migrate
from infra.http import create_app, serve
from tests.integration.catalog.web import Client


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


@pytest.fixture
async def client(database: Database) -> AsyncIterator[Client]:
    """The service's HTTP, served for real."""
    app = create_app(
        service="catalog",
        version="0",
        database=database,
        routes=SERVICE.routes,
        identity=None,
        readiness=None,
        ops=None,
    )
    port = 18765
    async with serve(app, host="127.0.0.1", http_port=port, ops_port=0), aiohttp.ClientSession() as session:
        yield Client(f"http://127.0.0.1:{port}", session)
