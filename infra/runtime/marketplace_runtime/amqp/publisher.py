"""Publishing with confirms: a message counts as sent when the broker says that it has it."""

import asyncio
from collections.abc import Sequence
from functools import partial

from aio_pika.abc import AbstractConnection
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import ChannelPreconditionFailed, DeliveryError
from pamqp.commands import Basic

from marketplace_runtime.amqp.connection import (
    CONNECTION_ERRORS,
    ConnectionLost,
    keep_connected,
    open_channel,
    raising_lost,
)
from marketplace_runtime.amqp.wire_format import frames_of
from marketplace_runtime.events import Envelope

CONFIRM_TIMEOUT_S = 8.0
"""A leader election can take 6 s; after this the outcome is unknown and the channel is dropped."""


class Unconfirmed(Exception):
    """The broker did not take the message, or nobody knows: publish it again."""


class Publisher:
    """One publishing connection with one channel in confirm mode, kept up while `run` runs.

    `exchange` is where the service's own events go.
    """

    def __init__(self, url: str, name: str, *, exchange: str) -> None:
        self._url, self._name, self._exchange = url, name, exchange
        self._channel: Channel | None = None
        self._ready = asyncio.Event()
        self._broken = asyncio.Event()
        self._refusal: str | None = None

    @property
    def connected(self) -> bool:
        return self._ready.is_set()

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        await keep_connected(self._url, self._name, self._serve)

    async def ready(self) -> None:
        """Wait until there is a channel to publish on."""
        await self._ready.wait()

    async def publish(self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties) -> None:
        """Return once the broker has confirmed. Raises `Unconfirmed` otherwise, after 8 s at the latest."""
        channel = self._channel
        if channel is None:
            raise Unconfirmed("not connected to the broker")
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                with raising_lost():
                    await channel.basic_publish(
                        body, exchange=exchange, routing_key=routing_key, properties=properties, wait=False
                    )
        except DeliveryError as error:
            raise Unconfirmed("the broker refused the message") from error
        except CONNECTION_ERRORS as error:
            self.drop()
            raise Unconfirmed(repr(error)) from error

    async def publish_all(self, events: Sequence[tuple[Envelope, bytes]]) -> list[bool]:
        """Publish events in a single write. Of each, whether the broker has confirmed it.

        Returns after 8 s at the latest; what is not confirmed must be published again.
        """
        channel = self._channel
        if channel is None or channel.is_closed:
            return [False] * len(events)
        frames = b"".join(
            [
                frames_of(each, body, exchange=self._exchange, channel=channel.number, frame_max=_frame_max(channel))
                for each, body in events
            ]
        )
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S), channel.lock:
                confirms = _expect(channel, len(events))
                # At once: the client's own way makes one system call per message.
                await channel.write_queue.put(ChannelFrame(payload=frames, should_close=False))
        except CONNECTION_ERRORS:
            self.drop()
            return [False] * len(events)
        _, late = await asyncio.wait(confirms, timeout=CONFIRM_TIMEOUT_S)
        if late:
            self.drop()
        for each in late:
            each.cancel()
        return [not each.cancelled() and each.exception() is None for each in confirms]

    def take_refusal(self) -> str | None:
        """Why the broker closed a channel over something that was published on it; None if it did not, or you know."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def drop(self) -> None:
        """Give the channel up: whatever is in flight on it will be published again."""
        self._channel = None
        self._ready.clear()
        self._broken.set()

    async def _serve(self, connection: AbstractConnection) -> None:
        while True:
            channel = await open_channel(connection, confirms=True)
            channel.closing.add_done_callback(partial(self._lose, channel))
            self._broken.clear()
            self._channel = channel
            self._ready.set()
            try:
                await self._broken.wait()
            finally:
                self.drop()
            if connection.is_closed:
                raise ConnectionLost("closed while publishing")
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                with raising_lost():
                    await channel.close()

    def _lose(self, channel: Channel, closing: asyncio.Future[object]) -> None:
        """Nothing that is in flight on `channel` will be confirmed any more."""
        error = None if closing.cancelled() else closing.exception()
        self._refusal = str(error) if isinstance(error, ChannelPreconditionFailed) else None
        self._broken.set()
        for confirm in channel.confirmations.values():
            if not confirm.done():
                confirm.set_exception(ConnectionLost("the channel closed before the confirm"))


def _expect(channel: Channel, messages: int) -> list[asyncio.Future[object]]:
    """What will be done when the broker has confirmed each of the next messages on `channel`."""
    loop = asyncio.get_running_loop()
    confirms = []
    for _ in range(messages):
        channel.delivery_tag += 1
        confirms.append(confirm := loop.create_future())
        channel.confirmations[channel.delivery_tag] = confirm
    return confirms


def _frame_max(channel: Channel) -> int:
    return channel.connection.connection_tune.frame_max
