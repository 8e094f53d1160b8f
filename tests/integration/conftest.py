"""One real broker and one real PostgreSQL server for all integration tests."""

from collections.abc import AsyncIterator

import pytest

from infra.local import DatabaseUrls, PrivateBroker, PrivatePostgres, private_broker, private_postgres
from infra.testing import Servers
from tests.integration.messaging.toy import toy_databases


@pytest.fixture(scope="session")
async def broker() -> AsyncIterator[PrivateBroker]:
    async with private_broker() as running:
        yield running


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[PrivatePostgres]:
    async with private_postgres() as running:
        yield running


@pytest.fixture(scope="session")
async def toy_urls(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DatabaseUrls]:
    return await toy_databases(postgres, tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
async def servers(postgres: PrivatePostgres) -> AsyncIterator[Servers]:
    """For `infra.testing`: with a broker of its own, since it declares whole services, others parts of them."""
    async with private_broker() as running:
        yield Servers(running, postgres)
