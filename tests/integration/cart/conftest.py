"""A real database for the cart."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from cart.service import SERVICE
from infra.local import DatabaseUrls, private_postgres
from infra.http import create_app, serve
from infra.storage import Database, make_partitions, migrate
from tests.integration.cart.web import Client


@pytest.fixture(scope="session")
async def cart_urls() -> AsyncIterator[DatabaseUrls]:
    async with private_postgres(databases=["cart"]) as postgres:
        urls = postgres.server.urls("cart")
        await migrate(urls.owner, app_url=urls.app, migrations=SERVICE.migrations)
        yield urls


@pytest.fixture
async def database(cart_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """The service's database with nothing in it."""
    database = Database(cart_urls.app, source="cart", listeners=SERVICE.listeners)
    async with database.transaction() as tx:
        await make_partitions(tx)
        for table in ("lines", "carts", "products", "checkouts"):
            await tx.execute(f"delete from {table}")
        for table in ("outbox", "outbox_pending", "scheduled"):
            await tx.execute(f"delete from messaging.{table}")
    yield database
    await database.close()


@pytest.fixture
async def client(database: Database) -> AsyncIterator[Client]:
    """The service's HTTP, served for real."""
    app = create_app(
        service="cart",
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
