from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.local import PrivateBroker, PrivatePostgres
from tests.integration.messaging.toy import Toy, toy_world


@pytest.fixture
async def toy(broker: PrivateBroker, postgres: PrivatePostgres, tmp_path: Path) -> AsyncIterator[Toy]:
    async with toy_world(broker, postgres, tmp_path) as world:
        yield world
