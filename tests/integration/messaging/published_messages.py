"""A separate consumer of all events that `cart` publishes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
from aiormq.abc import DeliveredMessage

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import CLOUDEVENTS_PREFIX, open_channel
from tests.integration.messaging.toy import Toy


@asynccontextmanager
async def receiving(toy: Toy) -> AsyncIterator[list[tuple[str, int]]]:
    """Collect aggregate and number of each message published to `cart`'s exchange, once per copy, in order."""
    received: list[tuple[str, int]] = []

    async def receive(message: DeliveredMessage) -> None:
        event = CartCheckedOutV1.model_validate_json(message.body)
        received.append(
            (str((message.header.properties.headers or {})[CLOUDEVENTS_PREFIX + "subject"]), event.total.amount)
        )

    connection = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection:
        channel = await open_channel(connection, confirms=False)
        await channel.queue_declare("relay.probe", exclusive=True)
        await channel.queue_bind("relay.probe", "cart.events", "#")
        await channel.basic_consume("relay.probe", receive, no_ack=True)
        yield received
