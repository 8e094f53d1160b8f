"""Checkout's own database on a real server, emptied between tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from infra.local import DatabaseUrls, private_postgres
from infra.storage import Database, migrate

MIGRATIONS = Path(__file__).parents[3] / "checkout" / "migrations"


@pytest.fixture(scope="session")
async def urls() -> AsyncIterator[DatabaseUrls]:
    async with private_postgres(databases=["checkout"]) as postgres:
        urls = postgres.server.urls("checkout")
        await migrate(urls.owner, app_url=urls.app, migrations=MIGRATIONS)
        yield urls


@pytest.fixture
async def database(urls: DatabaseUrls) -> AsyncIterator[Database]:
    from checkout.service import SERVICE

    database = Database(urls.app, source="checkout", listeners=SERVICE.listeners)
    yield database
    async with database.transaction() as tx:
        for table in ("orders", "order_journal", "messaging.outbox", "messaging.outbox_pending"):
            await tx.session.execute(text(f"delete from {table}"))
        await tx.session.execute(text("delete from messaging.scheduled"))
    await database.close()
