"""One real broker and one real PostgreSQL server for all integration tests."""

from collections.abc import AsyncIterator

import pytest

from infra.stack import DatabaseUrls, PrivateBroker, PrivatePostgres, private_broker, private_postgres
from marketplace_runtime.testing import Servers
from tests.integration.brokers import reset_broker
from tests.integration.messaging.toy import toy_databases


@pytest.fixture(scope="session")
async def running_broker() -> AsyncIterator[PrivateBroker]:
    """Start the broker; its content is what earlier tests left."""
    async with private_broker() as running:
        yield running


@pytest.fixture(scope="module")
async def broker(running_broker: PrivateBroker) -> PrivateBroker:
    """Reset the broker at the start of a module."""
    await reset_broker(running_broker)
    return running_broker


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[PrivatePostgres]:
    async with private_postgres() as running:
        yield running


@pytest.fixture(scope="session")
async def toy_urls(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DatabaseUrls]:
    return await toy_databases(postgres, tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
async def servers(broker: PrivateBroker, postgres: PrivatePostgres) -> Servers:
    """Provide broker and database to `marketplace_runtime.testing`."""
    return Servers(broker.urls.amqp, broker.urls.management, postgres.server.urls("postgres").superuser)
