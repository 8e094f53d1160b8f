"""Who holds messages back logs in as the service does, and so may lose its connection with it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.lab.chaos import KINDS, Fault, Site
from infra.stack import Layout, Passwords, PrivateBroker, StackState

HEARER, QUEUE = "hearer", "hearer.things"
QUEUE_PATH = f"/api/queues/%2F/{QUEUE}"


@pytest.fixture
async def site(broker: PrivateBroker, tmp_path: Path) -> AsyncIterator[Site]:
    """A broker with one user that has one queue."""
    urls = broker.urls
    state = StackState("x", broker={"amqp": urls.amqp, "management": urls.management})
    async with aiohttp.ClientSession() as http:
        site = Site(Layout("x", tmp_path), state, http)
        password = Passwords(site.layout.passwords).of(f"broker-{HEARER}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        await ask(site, "PUT", f"/api/users/{HEARER}", {"password": password, "tags": ""})
        await ask(site, "PUT", f"/api/permissions/%2F/{HEARER}", everything)
        await ask(site, "PUT", QUEUE_PATH, {"durable": True})
        yield site
        await ask(site, "DELETE", QUEUE_PATH)
        await ask(site, "DELETE", f"/api/users/{HEARER}")


async def ask(site: Site, method: str, path: str, body: object = None) -> Any:
    return await site.ask(method, site.state.broker["management"] + path, body)


async def say(site: Site, body: str) -> None:
    message = {"properties": {}, "routing_key": QUEUE, "payload": body, "payload_encoding": "string"}
    assert (await ask(site, "POST", "/api/exchanges/%2F/amq.default/publish", message))["routed"]


async def heard(site: Site) -> str:
    """The next message, as soon as it can be had."""
    wanted = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    async with asyncio.timeout(30):
        while not (found := await ask(site, "POST", f"{QUEUE_PATH}/get", wanted)):
            await asyncio.sleep(0.1)
    return str(found[0]["payload"])


@pytest.mark.parametrize("name", ["delayed", pytest.param("reordered", marks=pytest.mark.slow)])
async def test_messages_are_held_back_also_after_the_broker_closed_the_connection(site: Site, name: str) -> None:
    kind, fault, cut = KINDS[name], Fault(name, HEARER), Fault("closed-connections", HEARER)
    await kind.begin(site, fault)
    try:
        await KINDS[cut.kind].begin(site, cut)
        assert await KINDS[cut.kind].bite(site, cut)
        await say(site, "wait")
        async with asyncio.timeout(30):
            while not await kind.bite(site, fault):
                await asyncio.sleep(0.1)
    finally:
        await kind.end(site, fault)
    assert await heard(site) == "wait"
