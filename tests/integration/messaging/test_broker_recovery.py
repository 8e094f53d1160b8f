"""The broker closes connections, blocks publishers and times out consumers, by itself or by an administrator.

These tests start their own node, since alarms and settings apply to the whole node.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiormq.exceptions import ChannelNotFoundEntity

from contracts.cart import CartCheckedOutV1
from infra.stack import DatabaseUrls, PrivateBroker, PrivatePostgres, private_broker
from marketplace_runtime.amqp.publisher import CONFIRM_TIMEOUT_S
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction
from marketplace_runtime.outbox.relay import MAX_PUBLISHES_IN_FLIGHT
from marketplace_runtime.service import Messaging
from tests.integration.messaging.toy import Toy, a_checkout, effect, toy_world, until

RECOVERED_WITHIN_S = 20.0
"""Measured from the fault's end. A few seconds suffice; the rest is for a loaded machine."""


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


pytestmark = pytest.mark.slow  # it starts a broker; test_faults.py in tests/system has the same faults

TABLE = subscription("carts", on(CartCheckedOutV1, handle))


@pytest.fixture(scope="module")
async def own_broker() -> AsyncIterator[PrivateBroker]:
    async with private_broker() as broker:
        await configure(broker, collect_statistics_interval=200, channel_tick_interval=500)
        yield broker


async def configure(broker: PrivateBroker, **milliseconds: int) -> None:
    """Change settings of the running node; they apply to new connections."""
    changes = [f"application:set_env(rabbit, {name}, {value})" for name, value in milliseconds.items()]
    await broker.run_rabbitmqctl("eval", ", ".join(changes) + ".")


@pytest.fixture
async def toy(
    own_broker: PrivateBroker, postgres: PrivatePostgres, toy_urls: dict[str, DatabaseUrls]
) -> AsyncIterator[Toy]:
    async with toy_world(own_broker, postgres, toy_urls) as world:
        yield world


async def connections(toy: Toy) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as http, http.get(f"{toy.broker.urls.management}/api/connections") as answer:
        found: list[dict[str, Any]] = await answer.json()
        return found


async def check(toy: Toy, events: list[CartCheckedOutV1]) -> None:
    """Assert that every event has its effect once, soon after the fault's end."""

    async def all_there() -> bool:
        return len(await toy.effects()) >= len(events)

    await until(all_there, RECOVERED_WITHIN_S)
    await toy.until_idle()
    assert sorted(order for order, _ in await toy.effects()) == sorted(each.order_id for each in events)
    assert await toy.dead() == []


async def test_connections_closed_by_an_administrator_are_reopened(toy: Toy) -> None:
    events = [a_checkout() for _ in range(300)]
    async with toy.running(TABLE) as messaging:
        for first in range(0, len(events), 100):
            await toy.publish(*events[first : first + 100])
            await toy.broker.run_rabbitmqctl("close_all_connections", "because I say so")
        await check(toy, events)
        await until(partial(_is_healthy, messaging), RECOVERED_WITHIN_S)


async def _is_healthy(messaging: Messaging) -> bool:
    return set(messaging.health().values()) == {"ok"}


@asynccontextmanager
async def memory_alarm(broker: PrivateBroker) -> AsyncIterator[None]:
    """While the block runs, the broker reads nothing from connections that publish."""
    await broker.run_rabbitmqctl("set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        await broker.run_rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1GB")


@asynccontextmanager
async def disk_alarm(broker: PrivateBroker) -> AsyncIterator[None]:
    await broker.run_rabbitmqctl("set_disk_free_limit", "1000000GB")
    try:
        yield
    finally:
        await broker.run_rabbitmqctl("set_disk_free_limit", "1MB")


@asynccontextmanager
async def relaying(toy: Toy) -> AsyncIterator[Messaging]:
    async with toy.started(toy.messaging("cart", toy.cart, [], None)) as cart:
        yield cart


@pytest.mark.parametrize(
    ("alarm", "hold_s"),
    [
        pytest.param(memory_alarm, 0, id="memory"),
        pytest.param(disk_alarm, 0, id="disk"),
        pytest.param(memory_alarm, 2.5 * CONFIRM_TIMEOUT_S, id="memory, for long", marks=pytest.mark.slow),
    ],
)
async def test_a_blocked_publisher_keeps_its_window_and_continues_after_the_alarm(
    toy: Toy, alarm: Any, hold_s: float
) -> None:
    before, during = [a_checkout() for _ in range(50)], [a_checkout() for _ in range(4 * MAX_PUBLISHES_IN_FLIGHT)]
    await toy.declare([TABLE])
    checkout = toy.messaging("checkout", toy.checkout_database([TABLE]), [TABLE], None)
    async with toy.started(checkout), relaying(toy) as cart:
        await toy.publish(*before)
        await check(toy, before)
        async with alarm(toy.broker):
            await toy.publish(*during)
            most = 0

            async def blocked() -> bool:
                nonlocal most
                channel = cart._publisher._channel
                most = max(most, len(channel.confirmations) if channel else 0)
                return any(each.get("state") == "blocked" and each["user"] == "cart" for each in await connections(toy))

            await until(blocked)
            held_until = asyncio.get_running_loop().time() + hold_s
            while asyncio.get_running_loop().time() < held_until:
                await asyncio.sleep(0.2)  # let the outage last, and check meanwhile that nothing grows
                await blocked()
                assert sum(each["user"] == "cart" for each in await connections(toy)) <= 4
            assert 0 < most <= MAX_PUBLISHES_IN_FLIGHT
            assert len(await toy.effects()) < len(before) + len(during)
        await check(toy, before + during)


async def test_a_consumer_that_the_broker_timed_out_consumes_again(toy: Toy) -> None:
    """A handler takes longer than the broker's consumer timeout, so the broker closes the channel."""
    started, may_continue = asyncio.Event(), asyncio.Event()

    async def linger(event: CartCheckedOutV1, tx: Transaction) -> None:
        started.set()
        await may_continue.wait()
        await effect(tx, event.order_id)

    table = subscription("carts", on(CartCheckedOutV1, linger))
    await configure(toy.broker, consumer_timeout=1000)
    try:
        async with toy.running(table) as messaging:
            consumer = messaging.consumers[0]
            timed_out = consumer._channel
            assert timed_out is not None
            await toy.publish(event := a_checkout())
            await started.wait()

            async def closed() -> bool:
                return timed_out.is_closed

            async def consuming() -> bool:
                return consumer.is_consuming

            await until(closed)
            await until(consuming, RECOVERED_WITHIN_S)
            may_continue.set()
            later = [a_checkout() for _ in range(20)]
            await toy.publish(*later)
            await check(toy, [event, *later])
    finally:
        await configure(toy.broker, consumer_timeout=1_800_000)


async def test_a_publisher_whose_channel_the_broker_closed_continues(toy: Toy) -> None:
    events = [a_checkout() for _ in range(60)]
    await toy.declare([TABLE])
    checkout = toy.messaging("checkout", toy.checkout_database([TABLE]), [TABLE], None)
    async with toy.started(checkout), relaying(toy) as cart:
        for first in range(0, len(events), 20):
            await cart._publisher.wait_until_ready()
            channel = cart._publisher._channel
            assert channel is not None
            saying = asyncio.create_task(toy.publish(*events[first : first + 20]))
            with pytest.raises(ChannelNotFoundEntity):
                await channel.exchange_declare("no.such", passive=True)
            assert channel.is_closed
            await saying
        await check(toy, events)
