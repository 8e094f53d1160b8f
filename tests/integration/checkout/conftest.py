"""Checkout's own database on a real server, emptied between tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import text

from infra.local import DatabaseUrls, PrivateBroker, private_broker, private_postgres
from infra.storage import Database, migrate
from tests.integration.outside.outside_process import OutsideProcess

MIGRATIONS = Path(__file__).parents[3] / "checkout" / "migrations"


@pytest.fixture(scope="session")
async def urls() -> AsyncIterator[DatabaseUrls]:
    async with private_postgres(databases=["checkout"]) as postgres:
        urls = postgres.server.urls("checkout")
        await migrate(urls.owner, app_url=urls.app, migrations=MIGRATIONS)
        yield urls


@pytest.fixture(scope="session")
async def own_broker() -> AsyncIterator[PrivateBroker]:
    """Not the shared one: other tests declare another `checkout` there."""
    async with private_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
async def providers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OutsideProcess]:
    async with OutsideProcess(tmp_path_factory.mktemp("payments")) as process:
        yield process


@pytest.fixture
async def http(providers: OutsideProcess) -> AsyncIterator[aiohttp.ClientSession]:
    """To the providers' ledgers and dials; the dials are at rest again afterwards."""
    async with aiohttp.ClientSession(providers.url) as session:
        yield session
        for part in ("payments-a", "payments-b"):
            async with session.delete(f"/dials/{part}") as answer:
                assert answer.ok


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
