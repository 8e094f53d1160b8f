"""Provides checkout's own database on a real server, emptied between tests."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from sqlalchemy import text

from checkout.service import SERVICE
from checkout.settings import deadlines
from infra.stack import DatabaseUrls, PrivateBroker, PrivatePostgres
from marketplace_runtime.database import Database
from tests.integration.checkout.marketplace import Marketplace, running
from tests.integration.one_service import database_of
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
    """Open a session to the providers' ledgers and dials, and reset the dials afterwards."""
    async with aiohttp.ClientSession(providers.url) as session:
        yield session
        for part in ("payments-a", "payments-b"):
            async with session.delete(f"/dials/{part}") as answer:
                assert answer.ok


@pytest.fixture
async def database(urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = Database(urls.app, source="checkout", internal_subscriptions=SERVICE.internal_subscriptions)
    yield database
    async with database.transaction() as tx:
        for table in ("orders", "order_journal", "messaging.outbox", "messaging.outbox_pending"):
            await tx.session.execute(text(f"delete from {table}"))
        await tx.session.execute(text("delete from messaging.scheduled"))
    await database.close()


@pytest.fixture
async def marketplace(
    broker: PrivateBroker,
    database: Database,
    providers: OutsideProcess,
    http: aiohttp.ClientSession,
    limits: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Marketplace]:
    """Run checkout's messaging with the test file's `limits`; assert afterwards that nothing was dead-lettered."""
    urls = {f"PAYMENT_{provider.upper()}_URL": f"{providers.url}/payments/{provider}" for provider in "ab"}
    for name, value in (urls | limits).items():
        monkeypatch.setenv(name, value)
    deadlines.cache_clear()
    async with running(broker, database, http) as marketplace:
        yield marketplace
    assert await marketplace.dead() == []
    deadlines.cache_clear()
