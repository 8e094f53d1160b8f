"""A real database for the cart."""

from collections.abc import AsyncIterator

import pytest

from cart.service import SERVICE
from infra.local import DatabaseUrls, private_postgres
from infra.storage import Database, make_partitions, migrate


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
