"""A consumer that stopped silently is detected, reported in the health check, and recreated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import open_channel, queue_consumer
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.database import Transaction
from marketplace_runtime.service import Messaging
from tests.integration.messaging.ordered import ordered
from tests.integration.messaging.toy import Toy, a_checkout, effect, until

QUEUE = "checkout.carts"


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))


@pytest.fixture(autouse=True)
def short_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_consumer, "STALL_CHECK_S", 0.3)


@asynccontextmanager
async def admin(toy: Toy) -> AsyncIterator[Channel]:
    connection = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection:
        yield await open_channel(connection, confirms=False)


async def take_over(channel: Channel) -> None:
    """Become the only active consumer of the queue, take one message and never acknowledge it."""

    async def keep(message: DeliveredMessage) -> None:
        """Keep the message unacknowledged."""

    await channel.basic_qos(prefetch_count=1)
    await channel.basic_consume(QUEUE, keep)


async def until_state(messaging: Messaging, part: str) -> None:
    async def is_state() -> bool:
        return part in messaging.health()[QUEUE]

    await until(is_state)


@asynccontextmanager
async def starved(toy: Toy, table: Subscription) -> AsyncIterator[tuple[Messaging, Channel]]:
    """Set up ten messages and a consumer that the broker sends none while the channel is open."""
    await toy.declare([ordered(handle)])
    async with admin(toy) as other_channel:
        await take_over(other_channel)
        checkout = toy.messaging("checkout", toy.checkout_database([table]), [table], None)
        async with toy.started(toy.messaging("cart", toy.cart, [], None)), toy.started(checkout):
            await toy.publish(*(a_checkout() for _ in range(10)))
            yield checkout, other_channel


async def test_a_consumer_that_receives_nothing_is_reported_until_it_receives_again(toy: Toy) -> None:
    async with starved(toy, TABLE) as (checkout, other_channel):
        await until_state(checkout, "receives nothing though 9 messages wait")
        await other_channel.close()
        await toy.until_effects(10)
        await until_state(checkout, "ok")


async def test_a_stand_by_consumer_of_an_ordered_queue_is_healthy_while_another_consumes(toy: Toy) -> None:
    table = ordered(handle)
    async with starved(toy, table) as (checkout, other_channel):
        states = set()
        for _ in range(20):
            await asyncio.sleep(0.1)  # six checks; there is no event to await, since nothing happens
            states.add(checkout.health()[QUEUE])
        assert states == {"ok"}
        await other_channel.close()
        await toy.until_effects(10)


async def test_a_consumer_that_the_client_lost_is_recreated(toy: Toy) -> None:
    async with toy.running(TABLE) as checkout:
        channel = checkout.consumers[0]._channel
        assert channel is not None
        channel.consumers.clear()
        await until_state(checkout, "forgot")
        await toy.publish(*(a_checkout() for _ in range(10)))
        await toy.until_effects(10)
        await until_state(checkout, "ok")


async def test_a_missing_queue_is_reported_until_it_is_declared_again(toy: Toy) -> None:
    async with toy.running(TABLE) as checkout, admin(toy) as channel:
        await channel.queue_delete(QUEUE)
        await until_state(checkout, "not consuming")
        await toy.declare([TABLE])
        await until_state(checkout, "ok")
        await toy.publish(a_checkout())
        await toy.until_effects(1)
