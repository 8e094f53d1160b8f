"""Tests the broker's permissions: every user with every other service's exchange and queue."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aiormq.channel import Channel
from aiormq.exceptions import AMQPError
from pamqp.commands import Basic

from contracts.cart import CartCheckedOutV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.amqp import open_channel
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction
from tests.integration.messaging.envelopes import good_properties
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, effect, until


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))

PAIRS = [(user, other) for user in PASSWORDS for other in PASSWORDS if user != other]


@asynccontextmanager
async def channel_of(toy: Toy, user: str) -> AsyncIterator[Channel]:
    connection = await aio_pika.connect(toy.broker.urls.amqp_of(user, PASSWORDS[user]))
    async with connection:
        yield await open_channel(connection, confirms=True)


async def refused(
    toy: Toy, user: str, attempt: Callable[[Channel], Awaitable[object]], code: str = "ACCESS_REFUSED"
) -> None:
    async with channel_of(toy, user) as channel:
        with pytest.raises(AMQPError, match=code):
            await attempt(channel)


def publish(exchange: str, key: str, **properties: object) -> Callable[[Channel], Awaitable[object]]:
    return lambda channel: channel.basic_publish(
        b"{}", exchange=exchange, routing_key=key, properties=Basic.Properties(**properties)
    )


async def ignore(_: object) -> None:
    pass


@pytest.mark.parametrize(("user", "other"), PAIRS)
async def test_a_service_cannot_access_another_services_exchange_and_queue(toy: Toy, user: str, other: str) -> None:
    await toy.declare([TABLE])
    queue = f"{other}.dead"
    for attempt in (
        publish(f"{other}.events", "x"),
        publish(f"{other}.dead", "x"),
        publish("", queue),
        publish("amq.topic", "x"),
        lambda channel: channel.basic_consume(queue, ignore),
        lambda channel: channel.basic_get(queue),
        lambda channel: channel.queue_delete(queue),
        lambda channel: channel.queue_purge(queue),
        lambda channel: channel.queue_bind(queue, f"{user}.events", "#"),
        lambda channel: channel.queue_declare(f"{user}.own", durable=True),
        lambda channel: channel.queue_declare(
            f"{user}.trap", durable=True, arguments={"x-dead-letter-exchange": f"{other}.events"}
        ),
        lambda channel: channel.exchange_declare(f"{user}.more"),
        lambda channel: channel.exchange_delete(f"{user}.events"),
        publish("", MARKETPLACE.log_stream),
        lambda channel: channel.queue_delete(MARKETPLACE.log_stream),
        lambda channel: channel.queue_bind(MARKETPLACE.log_stream, f"{user}.events", "#"),
    ):
        await refused(toy, user, attempt)


@pytest.mark.parametrize("user", PASSWORDS)
async def test_only_services_with_subscriptions_may_read_the_log(toy: Toy, user: str) -> None:
    async def read(channel: Channel) -> None:
        await channel.basic_qos(prefetch_count=1)
        await channel.basic_consume(MARKETPLACE.log_stream, ignore, arguments={"x-stream-offset": "first"})

    await toy.declare([TABLE])
    if user == "checkout":
        async with channel_of(toy, user) as channel:
            await read(channel)
    else:
        await refused(toy, user, read)


async def test_a_forged_user_id_is_refused_by_the_broker(toy: Toy) -> None:
    await toy.declare([TABLE])
    await refused(toy, "catalog", publish("catalog.events", "x", user_id="cart"), "PRECONDITION_FAILED")


async def test_the_guest_user_is_deleted(toy: Toy) -> None:
    with pytest.raises(AMQPError):
        await aio_pika.connect(toy.broker.urls.amqp_of("guest", "guest"))


async def test_a_copy_header_reaches_no_queue_that_is_not_bound(toy: Toy) -> None:
    async with toy.running(TABLE):
        async with channel_of(toy, "catalog") as channel:
            for header in ("CC", "BCC"):
                properties = good_properties()
                properties.user_id = "catalog"
                assert properties.headers is not None
                properties.headers[header] = ["checkout.carts", CartCheckedOutV1.type]
                await channel.basic_publish(b"{}", exchange="catalog.events", routing_key="x", properties=properties)
        await toy.publish(a_checkout())
        await toy.until_effects(1)
        await toy.until_idle()
    assert len(await toy.effects()) == 1
    assert await toy.dead() == []


async def test_an_event_from_another_publisher_than_its_owner_is_dead_lettered(toy: Toy) -> None:
    """This holds even if an administrator's mistake lets the message through: here a wrong binding."""
    async with toy.running(TABLE):
        admin = await aio_pika.connect(toy.broker.urls.amqp)
        async with admin:
            channel = await open_channel(admin, confirms=True)
            await channel.queue_bind("checkout.carts", "catalog.events", "#")
            properties = good_properties()
            properties.user_id = "catalog"
            body = a_checkout().model_dump_json().encode()
            async with channel_of(toy, "catalog") as catalog:
                await catalog.basic_publish(
                    body, exchange="catalog.events", routing_key=CartCheckedOutV1.type, properties=properties
                )
            await toy.until_dead(1)
            await channel.queue_unbind("checkout.carts", "catalog.events", "#")
    assert [reason for _, reason, _, _ in await toy.dead()] == ["wrong-publisher"]
    assert await toy.effects() == []


async def test_the_brokers_own_dead_letters_are_stored(toy: Toy) -> None:
    """A work queue has a dead-letter exchange as a backstop, so that a rejected message is kept."""
    await toy.declare([TABLE])
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        await toy.publish(a_checkout())
        async with channel_of(toy, "checkout") as channel:

            async def one() -> bool:
                found = await channel.basic_get("checkout.carts")
                if found.delivery_tag is None:
                    return False
                await channel.basic_reject(found.delivery_tag, requeue=False)
                return True

            await until(one)
    async with toy.running(TABLE):
        await toy.until_dead(1)
        # the reason in the headers of a broker's dead letter is not trusted
        assert [(queue, reason) for queue, reason, _, _ in await toy.dead()] == [("carts", "broker-rejected")]
