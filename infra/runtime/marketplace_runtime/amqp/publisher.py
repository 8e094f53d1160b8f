"""Publishes with confirms: a message counts as sent once the broker has confirmed it."""

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
    translate_channel_errors,
)
from marketplace_runtime.amqp.wire_format import frames_of
from marketplace_runtime.events import Envelope

CONFIRM_TIMEOUT_S = 8.0
"""Limit for a confirm. An election of a queue's leader can take 6 s. If the limit is exceeded, the outcome is unknown,
and the channel is dropped."""


class Unconfirmed(Exception):
    """The broker refused the message, or the outcome is unknown. Publish it again."""


class Publisher:
    """Publishes on one connection with one channel in confirm mode, which `run` keeps up.

    `exchange` is the exchange for the service's own events.
    """

    def __init__(self, url: str, name: str, *, exchange: str) -> None:
        self._url, self._name, self._exchange = url, name, exchange
        self._channel: Channel | None = None
        self._ready = asyncio.Event()
        self._broken = asyncio.Event()
        self._refusal: str | None = None

    @property
    def is_connected(self) -> bool:
        return self._ready.is_set()

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        await keep_connected(self._url, self._name, self._hold_channel)

    async def wait_until_ready(self) -> None:
        """Wait until there is a channel to publish on."""
        await self._ready.wait()

    async def publish(self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties) -> None:
        """Publish a message, and return once it is confirmed. Otherwise raises `Unconfirmed`, after at most 8 s."""
        channel = self._channel
        if channel is None:
            raise Unconfirmed("not connected to the broker")
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                with translate_channel_errors():
                    await channel.basic_publish(
                        body, exchange=exchange, routing_key=routing_key, properties=properties, wait=False
                    )
        except DeliveryError as error:
            raise Unconfirmed("the broker refused the message") from error
        except CONNECTION_ERRORS as error:
            self.drop_channel()
            raise Unconfirmed(repr(error)) from error

    async def publish_all(self, events: Sequence[tuple[Envelope, bytes]]) -> list[bool]:
        """Publish events in a single write. Returns for each whether the broker confirmed it.

        Writes for at most 8 s, then waits at most 8 s for the confirms. An event that is not confirmed must be
        published again.
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
                confirms = _register_confirms(channel, len(events))
                # One write for all: the client would make one system call per message.
                await channel.write_queue.put(ChannelFrame(payload=frames, should_close=False))
        except CONNECTION_ERRORS:
            self.drop_channel()
            return [False] * len(events)
        _, late = await asyncio.wait(confirms, timeout=CONFIRM_TIMEOUT_S)
        if late:
            self.drop_channel()
        for each in late:
            each.cancel()
        return [not each.cancelled() and each.exception() is None for each in confirms]

    def take_refusal(self) -> str | None:
        """Return the broker's error if it closed the last channel over a published message, and forget the error.

        None if it did not, or if the error was returned before.
        """
        refusal, self._refusal = self._refusal, None
        return refusal

    def drop_channel(self) -> None:
        """Give up the channel. Messages in flight on it will be published again."""
        self._channel = None
        self._ready.clear()
        self._broken.set()

    async def _hold_channel(self, connection: AbstractConnection) -> None:
        while True:
            channel = await open_channel(connection, confirms=True)
            channel.closing.add_done_callback(partial(self._fail_unconfirmed, channel))
            self._broken.clear()
            self._channel = channel
            self._ready.set()
            try:
                await self._broken.wait()
            finally:
                self.drop_channel()
            if connection.is_closed:
                raise ConnectionLost("closed while publishing")
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                with translate_channel_errors():
                    await channel.close()

    def _fail_unconfirmed(self, channel: Channel, closing: asyncio.Future[object]) -> None:
        """Fail the messages in flight on `channel`, which has closed, and keep the reason if the broker refused one."""
        error = None if closing.cancelled() else closing.exception()
        self._refusal = str(error) if isinstance(error, ChannelPreconditionFailed) else None
        self._broken.set()
        for confirm in channel.confirmations.values():
            if not confirm.done():
                confirm.set_exception(ConnectionLost("the channel closed before the confirm"))


def _register_confirms(channel: Channel, messages: int) -> list[asyncio.Future[object]]:
    """Return a future for each of the next messages on `channel`, which is done when the broker confirms it."""
    loop = asyncio.get_running_loop()
    confirms = []
    for _ in range(messages):
        channel.delivery_tag += 1
        confirms.append(confirm := loop.create_future())
        channel.confirmations[channel.delivery_tag] = confirm
    return confirms


def _frame_max(channel: Channel) -> int:
    return channel.connection.connection_tune.frame_max
