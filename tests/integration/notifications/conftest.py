from collections.abc import AsyncIterator

import pytest

from infra.stack import PrivateBroker, PrivatePostgres
from notifications.service import SERVICE
from tests.integration.delivery.running import Running, running


@pytest.fixture(scope="package")
async def running_notifications(
    running_broker: PrivateBroker, postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async with running(
        SERVICE,
        neighbours=["cart", "catalog", "checkout", "delivery"],
        broker=running_broker,
        postgres=postgres,
        directory=tmp_path_factory.mktemp("notifications"),
        SMTP_TIMEOUT_S="2",
        SWEEP_EVERY_S="0.5",
        WEBHOOK_PRIVATE_TARGETS="true",
        WEBHOOK_TIMEOUT_S="2",
        WEBHOOK_FIRST_RETRY_S="0.1",
        WEBHOOK_LONGEST_RETRY_S="1",
        WEBHOOK_LONGEST_REST_S="0.5",
        WEBHOOK_ATTEMPTS="100",
    ) as world:
        yield world


@pytest.fixture
async def world(running_notifications: Running) -> AsyncIterator[Running]:
    """Run notifications as a process; reset the mail server before and after."""
    yield running_notifications
    await running_notifications.set_dial("mail")
