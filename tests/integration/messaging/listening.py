"""A consumer of what is published, beside all others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
from aiormq.abc import DeliveredMessage

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import PREFIX, open_channel
from tests.integration.messaging.toy import Toy


@asynccontextmanager
async def hearing(toy: Toy) -> AsyncIterator[list[tuple[str, int]]]:
    """What reaches the exchange of `cart`: aggregate and number, once per copy, in its order."""
    heard: list[tuple[str, int]] = []

    async def hear(message: DeliveredMessage) -> None:
        event = CartCheckedOutV1.model_validate_json(message.body)
        heard.append((str((message.header.properties.headers or {})[PREFIX + "subject"]), event.total.amount))

    connection = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection:
        channel = await open_channel(connection, confirms=False)
        await channel.queue_declare("relay.probe", exclusive=True)
        await channel.queue_bind("relay.probe", "cart.events", "#")
        await channel.basic_consume("relay.probe", hear, no_ack=True)
        yield heard
