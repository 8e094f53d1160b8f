"""A consumer that stopped without a word is noticed, told to whoever asks, and made anew."""

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
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_consumer, "WATCH_S", 0.3)


@asynccontextmanager
async def admin(toy: Toy) -> AsyncIterator[Channel]:
    connection = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection:
        yield await open_channel(connection, confirms=False)


async def hog(channel: Channel) -> None:
    """Be the one active consumer of the queue, take one message and never settle it."""

    async def keep(message: DeliveredMessage) -> None:
        """Hold it."""

    await channel.basic_qos(prefetch_count=1)
    await channel.basic_consume(QUEUE, keep)


async def until_state(messaging: Messaging, part: str) -> None:
    async def told() -> bool:
        return part in messaging.health()[QUEUE]

    await until(told)


@asynccontextmanager
async def starved(toy: Toy, table: Subscription) -> AsyncIterator[tuple[Messaging, Channel]]:
    """The broker has ten messages and knows our consumer, but gives it none while the channel is open."""
    await toy.declare([ordered(handle)])
    async with admin(toy) as hogging:
        await hog(hogging)
        checkout = toy.messaging("checkout", toy.checkout_database([table]), [table], None)
        async with toy.started(toy.messaging("cart", toy.cart, [], None)), toy.started(checkout):
            await toy.say(*(a_checkout() for _ in range(10)))
            yield checkout, hogging


async def test_a_consumer_that_gets_nothing_of_what_waits_says_so_and_gets_it_when_it_can(toy: Toy) -> None:
    async with starved(toy, TABLE) as (checkout, hogging):
        await until_state(checkout, "receives nothing though 9 messages wait")
        await hogging.close()
        await toy.until_effects(10)
        await until_state(checkout, "ok")


async def test_a_stand_by_of_an_ordered_queue_is_well_while_another_consumes(toy: Toy) -> None:
    table = ordered(handle)
    async with starved(toy, table) as (checkout, hogging):
        states = set()
        for _ in range(20):
            await asyncio.sleep(0.1)  # six looks of the watch: there is no event to await where nothing happens
            states.add(checkout.health()[QUEUE])
        assert states == {"ok"}
        await hogging.close()
        await toy.until_effects(10)


async def test_a_consumer_that_is_forgotten_on_our_side_is_made_anew(toy: Toy) -> None:
    async with toy.running(TABLE) as checkout:
        channel = checkout.consumers[0]._channel
        assert channel is not None
        channel.consumers.clear()
        await until_state(checkout, "forgot")
        await toy.say(*(a_checkout() for _ in range(10)))
        await toy.until_effects(10)
        await until_state(checkout, "ok")


async def test_a_queue_that_is_away_is_told_until_it_is_declared_again(toy: Toy) -> None:
    async with toy.running(TABLE) as checkout, admin(toy) as channel:
        await channel.queue_delete(QUEUE)
        await until_state(checkout, "not consuming")
        await toy.declare([TABLE])
        await until_state(checkout, "ok")
        await toy.say(a_checkout())
        await toy.until_effects(1)
