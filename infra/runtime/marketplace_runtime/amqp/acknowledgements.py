"""Messages of the broker, and how they are acknowledged: each once, and many at a time."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from marketplace_runtime.amqp.connection import CONNECTION_ERRORS, raising_lost


class MessageSource(Protocol):
    """Where messages came from, and are settled."""

    @property
    def lost(self) -> bool:
        """Whether what is not settled yet will come again by itself."""

    async def acknowledge(self, tags: Sequence[int]) -> None: ...


class Acknowledgements:
    """What was delivered on one channel and is not acknowledged yet.

    Acknowledges runs of messages at once. After the channel is gone it does nothing: the broker
    delivers those messages again, and the inbox knows them.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._open: dict[int, None] = {}
        self._turn = asyncio.Lock()
        """Held until what was decided is sent: the next "all up to this one" would include it."""
        self.received = 0
        """How many it was ever."""

    @property
    def open(self) -> int:
        """How many are not acknowledged yet."""
        return len(self._open)

    @property
    def settled(self) -> int:
        """How many were acknowledged."""
        return self.received - len(self._open)

    @property
    def lost(self) -> bool:
        """Whether the channel is gone, so that its messages will come again by themselves."""
        return self._channel.is_closed

    def add(self, tag: int) -> None:
        self._open[tag] = None
        self.received += 1

    async def acknowledge(self, tags: Sequence[int]) -> None:
        """Tell the broker that these are done, each once: it closes the channel over a tag that it does not know."""
        with suppress(*CONNECTION_ERRORS), raising_lost():
            async with self._turn:
                await self._acknowledge(tags)

    async def _acknowledge(self, tags: Sequence[int]) -> None:
        if self._channel.is_closed:
            return
        for tag in tags:
            self._open.pop(tag, None)
        oldest = next(iter(self._open), None)
        upto = [tag for tag in tags if oldest is None or tag < oldest]
        single = [tag for tag in tags if oldest is not None and tag > oldest]
        # Each is awaited until it is written: the client never wakes who waits for room in a lost connection's queue.
        if upto:
            await self._channel.basic_ack(max(upto), multiple=True)
        for tag in single:
            await self._channel.basic_ack(tag)


@dataclass(slots=True, eq=False)
class IncomingMessage:
    """A message as it came from the broker."""

    body: bytes
    properties: Basic.Properties
    tag: int
    source: MessageSource
    redeliveries: int = 0
    """How often it was delivered before to a consumer that did not acknowledge it."""
    replayed: bool = False
    """Whether it comes from the log, by its offset, and not from the subscription's queue."""

    async def acknowledge(self) -> None:
        await self.source.acknowledge([self.tag])
