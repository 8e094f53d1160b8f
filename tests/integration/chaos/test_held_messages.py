"""The fault that holds messages back uses the service's login, so the broker may close its connection."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.lab.chaos import KINDS, Fault, Site
from infra.stack import Layout, Passwords, PrivateBroker, StackState

CONSUMER, QUEUE = "hearer", "hearer.things"
QUEUE_PATH = f"/api/queues/%2F/{QUEUE}"


@pytest.fixture
async def site(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[Site]:
    """Declare one user and its queue at a broker."""
    urls = broker.urls
    state = StackState("x", broker={"amqp": urls.amqp, "management": urls.management})
    async with aiohttp.ClientSession() as http:
        site = Site(Layout("x", tmp_path), state, http)
        password = Passwords(site.layout.passwords).of(f"broker-{CONSUMER}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        await management_request(site, "PUT", f"/api/users/{CONSUMER}", {"password": password, "tags": ""})
        await management_request(site, "PUT", f"/api/permissions/%2F/{CONSUMER}", everything)
        await management_request(site, "PUT", QUEUE_PATH, {"durable": True})
        yield site
        await management_request(site, "DELETE", QUEUE_PATH)
        await management_request(site, "DELETE", f"/api/users/{CONSUMER}")


async def management_request(site: Site, method: str, path: str, body: object = None) -> Any:
    return await site.request(method, site.state.broker["management"] + path, body)


async def publish(site: Site, body: str) -> None:
    message = {"properties": {}, "routing_key": QUEUE, "payload": body, "payload_encoding": "string"}
    assert (await management_request(site, "POST", "/api/exchanges/%2F/amq.default/publish", message))["routed"]


async def next_message(site: Site) -> str:
    """Return the next message as soon as the queue delivers it."""
    wanted = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    async with asyncio.timeout(30):
        while not (found := await management_request(site, "POST", f"{QUEUE_PATH}/get", wanted)):
            await asyncio.sleep(0.1)
    return str(found[0]["payload"])


@pytest.mark.parametrize("name", ["delayed", pytest.param("reordered", marks=pytest.mark.slow)])
async def test_messages_are_still_held_back_after_the_broker_closed_the_connection(site: Site, name: str) -> None:
    kind, fault, cut = KINDS[name], Fault(name, CONSUMER), Fault("closed-connections", CONSUMER)
    await kind.begin(site, fault)
    try:
        await KINDS[cut.kind].begin(site, cut)
        assert await KINDS[cut.kind].observe_effect(site, cut)
        await publish(site, "wait")
        async with asyncio.timeout(30):
            while not await kind.observe_effect(site, fault):
                await asyncio.sleep(0.1)
    finally:
        await kind.end(site, fault)
    assert await next_message(site) == "wait"
