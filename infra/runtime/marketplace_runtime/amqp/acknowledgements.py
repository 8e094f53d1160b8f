"""Acknowledges messages to the broker: each once, and many at a time."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from marketplace_runtime.amqp.connection import CONNECTION_ERRORS, translate_channel_errors


class MessageSource(Protocol):
    """Where messages come from and are acknowledged: a channel of the broker, or a replay."""

    @property
    def is_lost(self) -> bool:
        """Return whether it is too late to acknowledge its messages, since they will be delivered again."""

    async def acknowledge(self, tags: Sequence[int]) -> None: ...


class Acknowledgements:
    """Tracks the messages that one channel has delivered and that are not acknowledged yet.

    Acknowledges several messages with one frame if it can. After the channel is closed it does nothing: the broker
    delivers those messages again, and the inbox detects the duplicates.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._unacknowledged: dict[int, None] = {}
        self._write_lock = asyncio.Lock()
        """Held until a call has written its acknowledgements. Otherwise the `multiple` of a concurrent call could
        acknowledge the same tags first, and the broker refuses a tag that is acknowledged twice."""
        self.received = 0
        """Number of messages received so far."""

    @property
    def unacknowledged(self) -> int:
        """Return the number of messages that are not acknowledged yet."""
        return len(self._unacknowledged)

    @property
    def acknowledged(self) -> int:
        """Return the number of messages that were acknowledged."""
        return self.received - len(self._unacknowledged)

    @property
    def is_lost(self) -> bool:
        """Return whether the channel is closed, so that the broker delivers its messages again."""
        return self._channel.is_closed

    def add(self, tag: int) -> None:
        self._unacknowledged[tag] = None
        self.received += 1

    async def acknowledge(self, tags: Sequence[int]) -> None:
        """Acknowledge messages. Pass each tag once: the broker closes the channel over a tag that it does not know."""
        with suppress(*CONNECTION_ERRORS), translate_channel_errors():
            async with self._write_lock:
                await self._acknowledge(tags)

    async def _acknowledge(self, tags: Sequence[int]) -> None:
        if self._channel.is_closed:
            return
        for tag in tags:
            self._unacknowledged.pop(tag, None)
        oldest = next(iter(self._unacknowledged), None)
        up_to = [tag for tag in tags if oldest is None or tag < oldest]
        single = [tag for tag in tags if oldest is not None and tag > oldest]
        # Await the write of each frame, so that they do not fill the client's write queue. If the connection is lost
        # while a task waits for room in that queue, the client never wakes the task.
        if up_to:
            await self._channel.basic_ack(max(up_to), multiple=True)
        for tag in single:
            await self._channel.basic_ack(tag)


@dataclass(slots=True, eq=False)
class IncomingMessage:
    """A message received from the broker."""

    body: bytes
    properties: Basic.Properties
    tag: int
    source: MessageSource
    redeliveries: int = 0
    """Number of earlier deliveries to consumers that did not acknowledge it."""
    replayed: bool = False
    """Whether it comes from the log, with its offset as `tag`, and not from the subscription's queue."""

    async def acknowledge(self) -> None:
        await self.source.acknowledge([self.tag])
