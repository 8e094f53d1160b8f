"""Tracks the window of a replay: the messages that the worker has received and not acknowledged yet."""

import asyncio
from collections.abc import Sequence


class ReplayWindow:
    """Holds the offsets that were handed over and are not acknowledged yet. It is a `MessageSource` for the worker."""

    def __init__(self) -> None:
        self.is_lost = False
        self._unacknowledged: dict[int, None] = {}
        self._acknowledged = asyncio.Event()

    def add(self, offset: int) -> None:
        self._unacknowledged[offset] = None

    async def acknowledge(self, tags: Sequence[int]) -> None:
        for tag in tags:
            self._unacknowledged.pop(tag, None)
        self._acknowledged.set()

    async def wait_for_acknowledgements(self, max_unacknowledged: int) -> None:
        """Wait until at most `max_unacknowledged` offsets are not acknowledged."""
        while len(self._unacknowledged) > max_unacknowledged:
            self._acknowledged.clear()
            await self._acknowledged.wait()

    def lowest_unacknowledged(self, default: int | None) -> int | None:
        """Return the lowest offset that is not acknowledged yet, or `default` if there is none."""
        return next(iter(self._unacknowledged), default)
