"""Keeps the backlog of a worker: deliveries that wait for the next batch."""

import asyncio
from collections import deque
from collections.abc import Callable

from marketplace_runtime.consumer.delivery import Delivery, UnreadableMessage


class Backlog:
    """Holds deliveries in the order of their arrival, and hands out up to `batch_size` at a time."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._waiting: deque[Delivery | UnreadableMessage] = deque()
        self._arrived = asyncio.Event()
        self._room_callback: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, delivery: Delivery | UnreadableMessage) -> None:
        """Append a delivery and wake `next_batch`."""
        self._waiting.append(delivery)
        self._arrived.set()

    @property
    def has_room(self) -> bool:
        """Return whether less than one batch is waiting."""
        return len(self._waiting) < self._batch_size

    def call_when_there_is_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when a batch was taken and there is room again. Does nothing if there is room now."""
        self._room_callback = None if self.has_room else callback

    async def next_batch(self) -> list[Delivery | UnreadableMessage]:
        """Wait until there is a delivery. Removes and returns as many as there are, up to `batch_size`."""
        await self._arrived.wait()
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_size))]
        if not self._waiting:
            self._arrived.clear()
        if self._room_callback is not None and self.has_room:
            self._room_callback()
            self._room_callback = None
        return batch
