"""Faults of broker and network: duplicates, disorder, cut connections, cancelled consumers, closed channels."""

import asyncio
import random
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import aio_pika
import pytest
from aiormq.abc import DeliveredMessage

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import QueueConsumer, open_channel, properties_of
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Database, Transaction, new_id
from marketplace_runtime.scheduler.retry_policy import Reject
from marketplace_runtime.service import Messaging
from marketplace_runtime.telemetry import new_traceparent
from tests.integration.messaging.proxy import Wire, wire_to
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, effect, until


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))


async def publish_all(toy: Toy, events: list[tuple[UUID, CartCheckedOutV1]], message_id: str | None = None) -> None:
    """Publish in this order, pipelined, as the user `cart`, and wait for all confirms."""
    connection = await aio_pika.connect(toy.broker.urls.amqp_of("cart", PASSWORDS["cart"]))
    async with connection:
        channel = await open_channel(connection, confirms=True)

        async def publish(id: UUID, event: CartCheckedOutV1) -> None:
            now = datetime.now(UTC)
            properties = properties_of(
                Envelope(id, event.type, "cart", event.subject, now, new_traceparent()), user="cart"
            )
            properties.message_id = message_id or properties.message_id
            await channel.basic_publish(
                event.model_dump_json().encode(),
                exchange="cart.events",
                routing_key=event.type,
                properties=properties,
            )

        await asyncio.gather(*(publish(*each) for each in events))


async def check(toy: Toy, events: list[CartCheckedOutV1]) -> None:
    await toy.until_effects(len(events))
    await toy.until_idle()
    assert sorted(order for order, _ in await toy.effects()) == sorted(each.order_id for each in events)
    assert await toy.dead() == []


async def _is_consuming(consumer: QueueConsumer) -> bool:
    return consumer.is_consuming


async def test_duplicates_in_any_order_have_one_effect(toy: Toy) -> None:
    chance = random.Random(1)
    events = [a_checkout() for _ in range(150)]
    copies = [(new_id(), event) for event in events] * 4
    chance.shuffle(copies)
    async with toy.running(TABLE):
        await publish_all(toy, copies)
        await check(toy, events)


async def test_equal_message_ids_of_different_events_are_no_duplicates(toy: Toy) -> None:
    events = [a_checkout() for _ in range(50)]
    async with toy.running(TABLE):
        await publish_all(toy, [(new_id(), event) for event in events], message_id="always-the-same")
        await check(toy, events)


async def test_a_redelivery_storm_dead_letters_nothing(toy: Toy) -> None:
    events = [a_checkout() for _ in range(200)]
    await toy.declare([TABLE])
    storm = await aio_pika.connect(toy.broker.urls.amqp_of("checkout", PASSWORDS["checkout"]))
    async with storm:
        channel = await open_channel(storm, confirms=False)
        thrown_back = 0

        async def throw_back(message: DeliveredMessage) -> None:
            nonlocal thrown_back
            thrown_back += 1
            await channel.basic_nack(message.delivery_tag or 0, requeue=True)

        await channel.basic_qos(prefetch_count=100)
        await channel.basic_consume("checkout.carts", throw_back)
        await publish_all(toy, [(new_id(), event) for event in events])

        async def stormy() -> bool:
            return thrown_back > 2000

        await until(stormy)
        async with toy.running(TABLE):
            await until(stormy)
            await storm.close()
            await check(toy, events)


async def test_a_connection_cut_during_a_thousand_publishes_loses_nothing(toy: Toy) -> None:
    events = [a_checkout() for _ in range(1000)]
    await toy.declare([TABLE])
    replica = Database(toy.urls["cart"].app, source="cart")
    async with wire_to(toy.broker.urls.amqp) as wire, toy.running(TABLE):
        relay = Messaging(
            service="cart",
            subscriptions=[],
            database=replica,
            broker_url=wire.of(toy.broker.urls.amqp_of("cart", PASSWORDS["cart"])),
            clients=None,
        )
        async with toy.started(relay):
            saying = asyncio.create_task(toy.publish(*events))
            async with asyncio.timeout(40):
                while len(await toy.effects()) < len(events):
                    wire.cut()
                    await asyncio.sleep(0.3)
            await saying
            await check(toy, events)
    await replica.close()
    assert wire.cuts > 0


@pytest.mark.slow  # the same fault while events are consumed runs by default
async def test_all_dead_letters_are_stored_despite_repeated_connection_cuts(toy: Toy) -> None:
    async def refuse(event: CartCheckedOutV1, tx: Transaction) -> None:
        raise Reject("never")

    table = subscription("carts", on(CartCheckedOutV1, refuse))
    events = [a_checkout() for _ in range(120)]
    await toy.declare([table])
    async with wire_to(toy.broker.urls.amqp) as wire:
        checkout = Messaging(
            service="checkout",
            subscriptions=[table],
            database=toy.checkout_database([table]),
            broker_url=wire.of(toy.broker.urls.amqp_of("checkout", PASSWORDS["checkout"])),
            clients=None,
        )
        async with toy.started(checkout), toy.started(toy.messaging("cart", toy.cart, [], None)):
            await toy.publish(*events)
            async with asyncio.timeout(40):
                while len(await toy.dead()) < 60:
                    wire.cut()
                    await asyncio.sleep(0.3)
            await toy.until_dead(len(events))
            await toy.until_idle()
    assert len(await toy.dead()) == len(events)
    assert wire.cuts > 0


async def test_a_consumer_gets_every_message_despite_repeated_connection_cuts(toy: Toy) -> None:
    events = [a_checkout() for _ in range(600)]
    await toy.declare([TABLE])
    async with wire_to(toy.broker.urls.amqp) as wire:
        checkout = Messaging(
            service="checkout",
            subscriptions=[TABLE],
            database=toy.checkout_database([TABLE]),
            broker_url=wire.of(toy.broker.urls.amqp_of("checkout", PASSWORDS["checkout"])),
            clients=None,
        )
        async with toy.started(checkout), toy.started(toy.messaging("cart", toy.cart, [], None)):
            for part in range(6):
                await toy.publish(*events[100 * part : 100 * (part + 1)])
                await until(partial(_is_used, wire))
                wire.cut()
                await asyncio.sleep(0.2)
            await check(toy, events)
    assert wire.cuts == 6


async def test_a_consumer_cancelled_by_the_broker_consumes_again(toy: Toy) -> None:
    async with toy.running(TABLE) as messaging:
        admin = await aio_pika.connect(toy.broker.urls.amqp)
        async with admin:
            channel = await open_channel(admin, confirms=False)
            await channel.queue_delete("checkout.carts")

        async def cancelled() -> bool:
            return not messaging.consumers[0].is_consuming

        await until(
            cancelled
        )  # RabbitMQ 3.10 may keep the consumer on a queue recreated within a few ms, and send it nothing
        await toy.declare([TABLE])

        async def consuming() -> bool:
            return set(messaging.health().values()) == {"ok"}

        await until(consuming, within_s=8)
        await toy.publish(event := a_checkout())
        await check(toy, [event])


async def test_a_channel_closed_by_the_broker_is_reopened(toy: Toy) -> None:
    events = [a_checkout() for _ in range(30)]
    async with toy.running(TABLE) as messaging:
        for event in events[:3]:
            consumer = messaging.consumers[0]

            await until(partial(_is_consuming, consumer))
            channel = consumer._channel
            assert channel is not None
            await channel.basic_ack(999_999)  # PRECONDITION_FAILED: unknown delivery tag
            await toy.publish(event)
        await toy.publish(*events[3:])
        await check(toy, events)


async def _is_used(wire: Wire) -> bool:
    return wire.used
