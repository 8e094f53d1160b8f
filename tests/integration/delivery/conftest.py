from collections.abc import AsyncIterator

import pytest

from delivery.service import SERVICE
from infra.stack import PrivateBroker, PrivatePostgres
from tests.integration.delivery.running import Running, running


@pytest.fixture(scope="package")
async def running_delivery(
    running_broker: PrivateBroker, postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async with running(
        SERVICE,
        neighbours=["checkout"],
        broker=running_broker,
        postgres=postgres,
        directory=tmp_path_factory.mktemp("delivery"),
        SHIPPING_DEADLINE_S="6",
        CARRIER_SILENCE_S="1",
        CARRIER_TIMEOUT_S="1",
        SWEEP_EVERY_S="0.5",
    ) as world:
        yield world


@pytest.fixture
async def world(running_delivery: Running) -> AsyncIterator[Running]:
    """Run delivery as a process; reset every dial before and after."""
    yield running_delivery
    for part in ("carriers-a", "carriers-b"):
        await running_delivery.set_dial(part)
