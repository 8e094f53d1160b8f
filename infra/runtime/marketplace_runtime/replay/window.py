"""The window of a replay: what was handed to the worker and is not acknowledged yet."""

import asyncio
from collections.abc import Sequence


class ReplayWindow:
    """The offsets that were handed over and are not settled yet: a `Source` of messages."""

    def __init__(self) -> None:
        self.lost = False
        self._open: dict[int, None] = {}
        self._settled = asyncio.Event()

    def add(self, offset: int) -> None:
        self._open[offset] = None

    async def acknowledge(self, tags: Sequence[int]) -> None:
        for tag in tags:
            self._open.pop(tag, None)
        self._settled.set()

    async def until(self, at_most: int) -> None:
        """Wait until no more than so many are open."""
        while len(self._open) > at_most:
            self._settled.clear()
            await self._settled.wait()

    def lowest(self, otherwise: int | None) -> int | None:
        """The first that is open."""
        return next(iter(self._open), otherwise)
