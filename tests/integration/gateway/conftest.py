from collections.abc import AsyncIterator

import pytest

from infra.stack.gateway import GatewaySettings
from tests.integration.gateway.running import Running, running_gateway

RATE, BURST = 5, 10
ORIGIN = "https://shop.example"
STRICT = GatewaySettings(
    user_rate=RATE,
    user_burst=BURST,
    address_rate=RATE,
    address_burst=BURST,
    request_timeout_s=1,
    cors_origins=(ORIGIN, "http://localhost:3000"),
)


@pytest.fixture(scope="package")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Provide a gateway with high rates and otherwise default settings, which has the issuer's keys."""
    async with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        await running.wait_for_keys()
        yield running


@pytest.fixture(scope="package")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Provide a gateway with low limits. Each test uses users and addresses of its own."""
    async with running_gateway(tmp_path_factory.mktemp("strict"), STRICT) as running:
        await running.wait_for_keys()
        yield running
