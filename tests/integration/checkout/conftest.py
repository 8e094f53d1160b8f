"""Checkout's own database on a real server, emptied between tests."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from sqlalchemy import text

from checkout.service import SERVICE
from infra.local import DatabaseUrls, PrivatePostgres
from infra.storage import Database
from tests.integration.alone import database_of
from tests.integration.outside.outside_process import OutsideProcess


@pytest.fixture(scope="session")
async def urls(postgres: PrivatePostgres) -> DatabaseUrls:
    return await database_of(SERVICE, postgres)


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
    database = Database(urls.app, source="checkout", listeners=SERVICE.listeners)
    yield database
    async with database.transaction() as tx:
        for table in ("orders", "order_journal", "messaging.outbox", "messaging.outbox_pending"):
            await tx.session.execute(text(f"delete from {table}"))
        await tx.session.execute(text("delete from messaging.scheduled"))
    await database.close()
