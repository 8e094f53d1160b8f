from collections.abc import AsyncIterator

import pytest

from infra.stack import DatabaseUrls, PrivateBroker, PrivatePostgres
from tests.integration.messaging.toy import Toy, toy_world


@pytest.fixture
async def toy(
    broker: PrivateBroker, postgres: PrivatePostgres, toy_urls: dict[str, DatabaseUrls]
) -> AsyncIterator[Toy]:
    async with toy_world(broker, postgres, toy_urls) as world:
        yield world
