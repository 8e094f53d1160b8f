"""Taking messages from a queue: one channel per subscription, healed whenever it breaks."""

import asyncio
import random
from collections.abc import Callable

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import AMQPChannelError, ChannelNotFoundEntity

from infra.messaging.connection import BROKEN, Lost, open_channel, telling_loss
from infra.messaging.delivery import Receipts, Received
from infra.telemetry import get_logger

log = get_logger(__name__)

WATCH_S = 10.0
"""How often a consumer makes sure that the broker still knows it."""
REOPEN_CAP_S = 3.0


class Consumer:
    """Feeds every message of `queue` to `receive`, up to `prefetch` of them unacknowledged.

    An `ordered` queue is not left to the next consumer until what we took of it is settled.
    """

    def __init__(
        self, queue: str, prefetch: int, receive: Callable[[Received], None], *, ordered: bool = False
    ) -> None:
        self.queue, self._ordered = queue, ordered
        self._prefetch, self._receive = prefetch, receive
        self._channel: Channel | None = None
        self._tag = ""

    @property
    def consuming(self) -> bool:
        """Whether the broker sends us this queue's messages, as far as can be known here."""
        return self._channel is not None and not self._channel.is_closed and self._tag in self._channel.consumers

    async def run(self, connection: AbstractConnection) -> None:
        """Consume until cancelled or the connection breaks; a broken channel is opened anew."""
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                with telling_loss():
                    await self._consume(connection)
            except ChannelNotFoundEntity:
                log.error("queue missing: declare the topology", queue=self.queue)
            except AMQPChannelError as error:
                log.warning("channel closed by the broker", queue=self.queue, error=repr(error))
            finally:
                self._channel = None
            if connection.is_closed or connection.transport is None:
                raise Lost("closed while consuming")
            failures = 0 if asyncio.get_running_loop().time() - began > WATCH_S else failures + 1
            await asyncio.sleep(random.uniform(0, min(REOPEN_CAP_S, 0.1 * 2**failures)))  # noqa: S311 - jitter

    async def stop(self) -> None:
        """Take no more messages; what was taken can still be acknowledged."""
        channel, self._receive = self._channel, _ignore
        if channel is not None and self.consuming and not self._ordered:
            try:
                with telling_loss():
                    await channel.basic_cancel(self._tag, timeout=2)
            except BROKEN as error:
                log.warning("could not cancel the consumer", queue=self.queue, error=repr(error))

    async def _consume(self, connection: AbstractConnection) -> None:
        channel = await open_channel(connection, confirms=False)
        receipts = Receipts(channel)
        ended = asyncio.Event()
        channel.closing.add_done_callback(lambda _: ended.set())
        channel.on_consumer_cancel_callbacks.add(lambda _: ended.set())

        async def on_message(message: DeliveredMessage) -> None:
            tag = message.delivery_tag
            if tag is not None:
                receipts.add(tag)
                self._receive(Received(message.body, message.header.properties, tag, receipts, _redeliveries(message)))

        await channel.basic_qos(prefetch_count=self._prefetch)
        consuming = await channel.basic_consume(self.queue, on_message)
        self._tag, self._channel = str(consuming.consumer_tag), channel
        try:
            while not ended.is_set():
                try:
                    async with asyncio.timeout(WATCH_S):
                        await ended.wait()
                except TimeoutError:
                    if await self._forgotten(channel):
                        log.warning("the broker forgot this consumer", queue=self.queue)
                        break
        finally:
            self._channel = None
            if not channel.is_closed:
                async with asyncio.timeout(2):
                    await channel.close()

    async def _forgotten(self, channel: Channel) -> bool:
        """Whether the broker counts no consumer at all on our queue, though we think that we are one."""
        async with asyncio.timeout(WATCH_S):
            found = await channel.queue_declare(self.queue, passive=True)
        return found.consumer_count == 0


def _redeliveries(message: DeliveredMessage) -> int:
    """By the broker's count. Publishers can forge it, so it is believed only of what was redelivered."""
    if not message.redelivered:
        return 0
    count = (message.header.properties.headers or {}).get("x-delivery-count")
    return count if isinstance(count, int) else 0


def _ignore(message: Received) -> None:
    """Leave a message that came after the consumer was cancelled to the broker, which delivers it again."""
