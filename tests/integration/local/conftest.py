"""Stacks of toys that use the tests' own broker and databases, so that they start within a second."""

import os
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from infra.stack import PrivateBroker, PrivatePostgres, delete_stack
from infra.stack.layout import layout
from tests.integration.local.running_stack import down, up
from tests.integration.local.toy_stack import SERVICES
from tests.integration.local.toys import Toys


@pytest.fixture(scope="module")
def given_servers(running_broker: PrivateBroker, postgres: PrivatePostgres) -> Iterator[None]:
    """Let stacks use the servers of the tests, and let their gateways accept any rate of requests."""
    database = postgres.server.urls("postgres").superuser
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MARKETPLACE_BROKER_URL", running_broker.urls.amqp)
        environment.setenv("MARKETPLACE_BROKER_MANAGEMENT_URL", running_broker.urls.management)
        for service in SERVICES:
            environment.setenv(f"MARKETPLACE_{service.upper()}_DATABASE_URL", database)
        for setting in ("RATE", "BURST"):
            environment.setenv(f"GATEWAY_ADDRESS_{setting}", "100000")
        yield


@pytest.fixture(scope="module")
async def toys(given_servers: None) -> AsyncIterator[Toys]:
    """Start a stack with two replicas of the catalog and one of delivery. Each test leaves it like that."""
    where = layout(f"toys-{os.getpid()}")
    supervisor = await up(where)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        try:
            toys = Toys(where, http)
            await toys.order("scale", service="catalog", replicas=2)
            yield toys
        finally:
            await down(where, supervisor)
            delete_stack(where)
