"""Concurrent acknowledgements are combined for runs of messages, and each message is acknowledged once."""

import asyncio
import random

import aio_pika
from aiormq.abc import DeliveredMessage

from infra.stack import PrivateBroker
from marketplace_runtime.amqp import open_channel
from marketplace_runtime.amqp.acknowledgements import Acknowledgements

MESSAGES, SETTLED_AT_ONCE = 300, 10


async def test_concurrent_acknowledgements_cover_every_message_and_keep_the_channel(broker: PrivateBroker) -> None:
    tags: list[int] = []
    arrived = asyncio.Event()
    async with await aio_pika.connect(broker.urls.amqp) as connection:
        publishing = await open_channel(connection, confirms=True)
        queue = str((await publishing.queue_declare(exclusive=True)).queue)
        await asyncio.gather(*(publishing.basic_publish(b"", routing_key=queue) for _ in range(MESSAGES)))
        consuming = await open_channel(connection, confirms=False)
        acknowledgements = Acknowledgements(consuming)

        async def receive(message: DeliveredMessage) -> None:
            tags.append(tag := message.delivery_tag or 0)
            acknowledgements.add(tag)
            if len(tags) == MESSAGES:
                arrived.set()

        await consuming.basic_consume(queue, receive)
        async with asyncio.timeout(20):
            await arrived.wait()

        random.Random(1).shuffle(tags)
        some = [tags[first : first + SETTLED_AT_ONCE] for first in range(0, MESSAGES, SETTLED_AT_ONCE)]
        await asyncio.gather(*(acknowledgements.acknowledge(each) for each in some))

        await consuming.queue_declare(queue, passive=True)  # raises the reason if the broker closed the channel
        await consuming.close()
        left = await publishing.queue_declare(queue, passive=True)
    assert left.message_count == 0
