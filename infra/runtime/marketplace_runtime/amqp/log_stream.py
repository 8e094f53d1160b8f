"""Reads the log: the stream of all published events, with the offset of each message."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from marketplace_runtime.amqp.connection import (
    CONNECTION_ERRORS,
    ConnectionLost,
    open_channel,
    translate_channel_errors,
)

PREFETCH = 200
"""Maximum number of messages that are prefetched into memory."""
FIRST_MESSAGE_TIMEOUT_S, NEXT_MESSAGE_TIMEOUT_S = 2.0, 0.5

OffsetSpec = str | int | datetime
"""Where to begin: `first`, `last` (the last chunk), `next` (only new messages), an offset, or a time. A time selects
the chunk that contains it, so that earlier messages of the chunk are delivered too."""


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One message of the log."""

    offset: int
    type: str
    """Its routing key."""
    body: bytes
    properties: Basic.Properties


class LogReader:
    """Returns the messages of the log from one place on, in order."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[DeliveredMessage] = deque()
        self._arrived = asyncio.Event()
        self._ended = False
        channel.closing.add_done_callback(self._end)
        channel.on_consumer_cancel_callbacks.add(self._end)

    @property
    def has_next(self) -> bool:
        """Return whether the next message has arrived already."""
        return bool(self._waiting)

    async def receive(self, message: DeliveredMessage) -> None:
        self._waiting.append(message)
        self._arrived.set()

    async def next(self, within_s: float) -> LoggedMessage | None:
        """Return the next message; None if none arrives within `within_s`.

        Raises `ConnectionLost` if the channel or the consumer ends.
        """
        if not self._waiting and not self._ended:
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._arrived.wait()
        if self._ended:
            raise ConnectionLost("the broker ended the reading of the log")
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        tag = message.delivery_tag or 0
        if tag % (PREFETCH // 4) == 0:
            with translate_channel_errors():
                await self._channel.basic_ack(tag, multiple=True)
        properties = message.header.properties
        offset: Any = (properties.headers or {})["x-stream-offset"]
        return LoggedMessage(int(offset), message.routing_key or "", message.body, properties)

    def _end(self, _: object) -> None:
        self._ended = True
        self._arrived.set()


@asynccontextmanager
async def open_log_reader(connection: AbstractConnection, stream: str, since: OffsetSpec) -> AsyncIterator[LogReader]:
    """Read the log from a place on.

    Raises the errors of a lost connection, and `AMQPChannelError` if the stream is missing or may not be read.
    """
    channel = await open_channel(connection, confirms=False)
    log = LogReader(channel)
    try:
        with translate_channel_errors():
            await channel.basic_qos(prefetch_count=PREFETCH)
            await channel.basic_consume(stream, log.receive, arguments={"x-stream-offset": since})
        yield log
    finally:
        if not channel.is_closed:
            with suppress(*CONNECTION_ERRORS), translate_channel_errors():
                async with asyncio.timeout(2):
                    await channel.close()


async def last_message(connection: AbstractConnection, stream: str) -> LoggedMessage | None:
    """Return the last message of the log at the time of the call, or a later one; None if the log is empty.

    The broker's message count is seconds old. So this reads from the last chunk until nothing follows, or until a new
    message is published. Raises `ConnectionLost` if the last message cannot be found.
    """
    async with (
        open_log_reader(connection, stream, "next") as new_messages,
        open_log_reader(connection, stream, "last") as log,
    ):
        last = found = await log.next(FIRST_MESSAGE_TIMEOUT_S)
        while found is not None and not new_messages.has_next:
            found = await log.next(NEXT_MESSAGE_TIMEOUT_S)
            last = found or last
        if new_messages.has_next:
            return await new_messages.next(0)
    if last is None:
        channel = await open_channel(connection, confirms=False)
        if (await channel.queue_declare(stream, passive=True)).message_count:
            raise ConnectionLost("the log has messages but delivers none")
        await channel.close()
    return last
