"""Taking messages from a queue: one channel per subscription, healed whenever it breaks."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import AMQPChannelError, ChannelNotFoundEntity

from marketplace_runtime.amqp.acknowledgements import Acknowledgements, IncomingMessage
from marketplace_runtime.amqp.connection import CONNECTION_ERRORS, ConnectionLost, open_channel, raising_lost
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

WATCH_S = 5.0
"""How often a consumer makes sure that it has not fallen silent; it takes two looks to tell."""
ANSWER_S = 10.0
REOPEN_CAP_S = 3.0
LOOK_S = 0.1
"""How often a queue is looked at that a deadline waits for."""


class QueueConsumer:
    """Feeds every message of `queue` to `receive`, up to `prefetch` of them unacknowledged.

    An `ordered` queue is not left to the next consumer until what we took of it is settled.
    """

    def __init__(
        self, queue: str, prefetch: int, receive: Callable[[IncomingMessage], None], *, ordered: bool = False
    ) -> None:
        self.queue, self._ordered = queue, ordered
        self._prefetch, self._receive = prefetch, receive
        self._channel: Channel | None = None
        self._acknowledgements: Acknowledgements | None = None
        self._tag = ""
        self._silence: str | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._ended = asyncio.Event()

    @property
    def consuming(self) -> bool:
        """Whether the broker sends us this queue's messages, as far as can be known here."""
        return self._channel is not None and not self._channel.is_closed and self._tag in self._channel.consumers

    @property
    def state(self) -> str:
        """`ok`, or what is the matter. That it had fallen silent is told until the next look finds it well."""
        if not self._wanted.is_set():
            return "ok"
        return self._silence or ("ok" if self.consuming else "not consuming")

    def hold(self, held: bool) -> None:
        """Leave messages in their queue for now, and give back what is not acknowledged; or take them again."""
        if not held:
            self._wanted.set()
        elif self._wanted.is_set():
            self._wanted.clear()
            self._ended.set()

    async def caught_up(self) -> None:
        """Return once all that is in the queue now, or was taken from it, is acknowledged.

        Waits for the broker while it is away. A queue that is held is not waited for.
        """
        while self._wanted.is_set():
            try:
                with raising_lost():
                    if await self._has_caught_up():
                        return
            except (*CONNECTION_ERRORS, AMQPChannelError, TimeoutError) as error:
                log.debug("queue cannot be looked at", queue=self.queue, error=repr(error))
            await asyncio.sleep(LOOK_S)

    async def _has_caught_up(self) -> bool:
        """Wait for what is in the queue now. False if its channel broke: what was taken from it comes again."""
        channel, acknowledgements = self._channel, self._acknowledgements
        if channel is None or acknowledgements is None or not self.consuming:
            return False
        left = None
        while not channel.is_closed and self._acknowledgements is acknowledgements:
            async with asyncio.timeout(ANSWER_S):
                found = await channel.queue_declare(self.queue, passive=True)
            waiting = found.message_count or 0
            if left is None:
                await asyncio.sleep(0)  # what was delivered before that answer is taken in
                left = acknowledgements.received + waiting
            if waiting + acknowledgements.open == 0 or acknowledgements.settled >= left:
                return True
            await asyncio.sleep(LOOK_S)
        return False

    async def run(self, connection: AbstractConnection) -> None:
        """Consume until cancelled or the connection breaks; a broken channel is opened anew."""
        failures = 0
        while True:
            await self._wanted.wait()
            began = asyncio.get_running_loop().time()
            try:
                with raising_lost():
                    await self._consume(connection)
            except ChannelNotFoundEntity:
                log.error("queue missing: declare the topology", queue=self.queue)
            except AMQPChannelError as error:
                log.warning("channel closed by the broker", queue=self.queue, error=repr(error))
            finally:
                self._channel = None
            if _is_cancelled():
                raise asyncio.CancelledError
            if connection.is_closed or connection.transport is None:
                raise ConnectionLost("closed while consuming")
            failures = 0 if asyncio.get_running_loop().time() - began > WATCH_S else failures + 1
            await asyncio.sleep(random.uniform(0, min(REOPEN_CAP_S, 0.1 * 2**failures)))  # noqa: S311 - jitter

    async def stop(self) -> None:
        """Take no more messages; what was taken can still be acknowledged."""
        channel, self._receive = self._channel, _ignore
        if channel is not None and self.consuming and not self._ordered:
            try:
                with raising_lost():
                    await channel.basic_cancel(self._tag, timeout=2)
            except CONNECTION_ERRORS as error:
                log.warning("could not cancel the consumer", queue=self.queue, error=repr(error))

    async def _consume(self, connection: AbstractConnection) -> None:
        channel = await open_channel(connection, confirms=False)
        acknowledgements = Acknowledgements(channel)
        ended = self._ended = asyncio.Event()
        channel.closing.add_done_callback(lambda _: ended.set())
        channel.on_consumer_cancel_callbacks.add(lambda _: ended.set())

        async def on_message(message: DeliveredMessage) -> None:
            tag = message.delivery_tag
            if tag is not None:
                acknowledgements.add(tag)
                self._receive(
                    IncomingMessage(
                        message.body, message.header.properties, tag, acknowledgements, _redeliveries(message)
                    )
                )

        await channel.basic_qos(prefetch_count=self._prefetch)
        consuming = await channel.basic_consume(self.queue, on_message)
        self._tag, self._channel, self._acknowledgements = str(consuming.consumer_tag), channel, acknowledgements
        if not self._wanted.is_set():
            ended.set()
        try:
            await self._watch(channel, acknowledgements, ended)
        finally:
            self._channel = None
            if not channel.is_closed:
                with suppress(*CONNECTION_ERRORS), raising_lost():
                    async with asyncio.timeout(2):
                        await channel.close()

    async def _watch(self, channel: Channel, acknowledgements: Acknowledgements, ended: asyncio.Event) -> None:
        """Return when the consumer has ended, by the broker's word or by its silence.

        A passive declaration needs no rights: it tells how many consumers the broker counts and what waits. Waiting
        messages are no sign while as many are unacknowledged as we may have, or for a stand-by of an ordered queue.
        """
        received, waiting = 0, self._silence is not None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await ended.wait()
                    return
            if self._receive is _ignore:
                continue  # it was cancelled by us, and is kept for the acknowledgements
            async with asyncio.timeout(ANSWER_S):
                found = await channel.queue_declare(self.queue, passive=True)
            stands_by = self._ordered and not acknowledgements.received
            hungry = acknowledgements.received == received and acknowledgements.open < self._prefetch and not stands_by
            if not found.consumer_count or not self.consuming:
                self._silence = "the broker forgot this consumer"
            elif waiting and hungry and found.message_count:
                self._silence = f"receives nothing though {found.message_count} messages wait"
            else:
                self._silence = None
            if self._silence is not None:
                log.warning("consumer fell silent: consuming anew", queue=self.queue, why=self._silence)
                return
            received, waiting = acknowledgements.received, bool(found.message_count)


def _is_cancelled() -> bool:
    """Whether somebody wants this task to end: the client turns a cancellation into an error of the channel."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _redeliveries(message: DeliveredMessage) -> int:
    """By the broker's count. Publishers can forge it, so it is believed only of what was redelivered."""
    if not message.redelivered:
        return 0
    count = (message.header.properties.headers or {}).get("x-delivery-count")
    return count if isinstance(count, int) else 0


def _ignore(message: IncomingMessage) -> None:
    """Leave a message that came after the consumer was cancelled to the broker, which delivers it again."""
