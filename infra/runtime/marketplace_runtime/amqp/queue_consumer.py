"""Consumes a queue: one channel per subscription, which is reopened whenever it breaks."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import AMQPChannelError, ChannelNotFoundEntity

from marketplace_runtime.amqp.acknowledgements import Acknowledgements, IncomingMessage
from marketplace_runtime.amqp.connection import (
    CONNECTION_ERRORS,
    ConnectionLost,
    open_channel,
    translate_channel_errors,
)
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

STALL_CHECK_S = 5.0
"""Interval of the checks that a consumer still receives messages. It takes two checks to detect a stall."""
DECLARE_TIMEOUT_S = 10.0
REOPEN_BACKOFF_CAP_S = 3.0
CAUGHT_UP_POLL_S = 0.1
"""Interval at which `wait_until_caught_up` checks the queue."""


class QueueConsumer:
    """Passes every message of `queue` to `receive`, with up to `prefetch` of them unacknowledged.

    An `ordered` queue has a single active consumer. `stop` does not cancel it, because the broker would then deliver
    to the next consumer before the messages that this one took are acknowledged.
    """

    def __init__(
        self, queue: str, prefetch: int, receive: Callable[[IncomingMessage], None], *, ordered: bool = False
    ) -> None:
        self.queue, self._ordered = queue, ordered
        self._prefetch, self._receive = prefetch, receive
        self._channel: Channel | None = None
        self._acknowledgements: Acknowledgements | None = None
        self._consumer_tag = ""
        self._stall: str | None = None
        self._enabled = asyncio.Event()
        self._enabled.set()
        self._ended = asyncio.Event()

    @property
    def is_consuming(self) -> bool:
        """Return whether the broker sends us this queue's messages, as far as this process can know."""
        return (
            self._channel is not None and not self._channel.is_closed and self._consumer_tag in self._channel.consumers
        )

    @property
    def state(self) -> str:
        """Return `ok`, or the problem. Reports a stalled consumer until the next check passes."""
        if not self._enabled.is_set():
            return "ok"
        return self._stall or ("ok" if self.is_consuming else "not consuming")

    def set_paused(self, paused: bool) -> None:
        """Stop consuming if `paused`, and return unacknowledged messages to the queue. Otherwise, consume again."""
        if not paused:
            self._enabled.set()
        elif self._enabled.is_set():
            self._enabled.clear()
            self._ended.set()

    async def wait_until_caught_up(self) -> None:
        """Return once all messages that are in the queue now, or were taken from it, are acknowledged.

        Waits for the broker while it is unreachable. Does not wait for a queue that is paused.
        """
        while self._enabled.is_set():
            try:
                with translate_channel_errors():
                    if await self._wait_on_channel():
                        return
            except (*CONNECTION_ERRORS, AMQPChannelError, TimeoutError) as error:
                log.debug("queue cannot be checked", queue=self.queue, error=repr(error))
            await asyncio.sleep(CAUGHT_UP_POLL_S)

    async def _wait_on_channel(self) -> bool:
        """Return true once all messages that are in the queue now, or were taken from it, are acknowledged.

        Returns false if there is no channel or it breaks, as the broker then delivers its messages again.
        """
        channel, acknowledgements = self._channel, self._acknowledgements
        if channel is None or acknowledgements is None or not self.is_consuming:
            return False
        target = None
        while not channel.is_closed and self._acknowledgements is acknowledgements:
            async with asyncio.timeout(DECLARE_TIMEOUT_S):
                found = await channel.queue_declare(self.queue, passive=True)
            waiting = found.message_count or 0
            if target is None:
                await asyncio.sleep(0)  # lets `on_message` run for messages that arrived before the broker's answer
                target = acknowledgements.received + waiting
            if waiting + acknowledgements.unacknowledged == 0 or acknowledgements.acknowledged >= target:
                return True
            await asyncio.sleep(CAUGHT_UP_POLL_S)
        return False

    async def run(self, connection: AbstractConnection) -> None:
        """Consume until cancelled or the connection breaks. Reopens a broken channel. Raises `ConnectionLost`."""
        failures = 0
        while True:
            await self._enabled.wait()
            began = asyncio.get_running_loop().time()
            try:
                with translate_channel_errors():
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
            failures = 0 if asyncio.get_running_loop().time() - began > STALL_CHECK_S else failures + 1
            await asyncio.sleep(random.uniform(0, min(REOPEN_BACKOFF_CAP_S, 0.1 * 2**failures)))  # noqa: S311 - jitter

    async def stop(self) -> None:
        """Stop taking messages. Those already taken can still be acknowledged."""
        channel, self._receive = self._channel, _ignore
        if channel is not None and self.is_consuming and not self._ordered:
            try:
                with translate_channel_errors():
                    await channel.basic_cancel(self._consumer_tag, timeout=2)
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
        self._consumer_tag, self._channel, self._acknowledgements = (
            str(consuming.consumer_tag),
            channel,
            acknowledgements,
        )
        if not self._enabled.is_set():
            ended.set()
        try:
            await self._check_until_stalled(channel, acknowledgements, ended)
        finally:
            self._channel = None
            if not channel.is_closed:
                with suppress(*CONNECTION_ERRORS), translate_channel_errors():
                    async with asyncio.timeout(2):
                        await channel.close()

    async def _check_until_stalled(
        self, channel: Channel, acknowledgements: Acknowledgements, ended: asyncio.Event
    ) -> None:
        """Return when the broker has ended the consumer, or when it has stalled.

        A passive declaration needs no permissions. It returns the broker's count of consumers and of waiting messages.
        Waiting messages are no sign of a stall while the prefetch limit is reached, or for a standby consumer of an
        ordered queue.
        """
        # After a stall, one check is enough to report it again.
        previously_received, had_waiting = 0, self._stall is not None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(STALL_CHECK_S):
                    await ended.wait()
                    return
            if self._receive is _ignore:
                continue  # after `stop`, the channel is only for acknowledgements
            async with asyncio.timeout(DECLARE_TIMEOUT_S):
                found = await channel.queue_declare(self.queue, passive=True)
            is_standby = self._ordered and not acknowledgements.received
            is_idle = (
                acknowledgements.received == previously_received
                and acknowledgements.unacknowledged < self._prefetch
                and not is_standby
            )
            if not found.consumer_count or not self.is_consuming:
                self._stall = "the broker forgot this consumer"
            elif had_waiting and is_idle and found.message_count:
                self._stall = f"receives nothing though {found.message_count} messages wait"
            else:
                self._stall = None
            if self._stall is not None:
                log.warning("consumer stalled, consuming again", queue=self.queue, why=self._stall)
                return
            previously_received, had_waiting = acknowledgements.received, bool(found.message_count)


def _is_cancelled() -> bool:
    """Return whether this task is being cancelled. The client turns a cancellation into a channel error."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _redeliveries(message: DeliveredMessage) -> int:
    """Return the broker's delivery count. Publishers can forge it, so it counts only if the message was redelivered."""
    if not message.redelivered:
        return 0
    count = (message.header.properties.headers or {}).get("x-delivery-count")
    return count if isinstance(count, int) else 0


def _ignore(message: IncomingMessage) -> None:
    """Ignore a message that arrives after `stop`. The broker delivers it again."""
