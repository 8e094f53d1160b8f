"""Forwards one direction of one connection."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from infra.lab.chaos.proxy.toxics import Toxics

CHUNK = 64 * 1024
IN_FLIGHT = 64
"""Maximum number of buffered chunks. Beyond that nothing is read, so the sender blocks as with a full TCP window."""


class Pipe:
    """Forwards bytes from a reader to a writer, and applies the toxics of its link."""

    def __init__(self, toxics: Callable[[], Toxics], passable: asyncio.Event, counts: Counter[str]) -> None:
        self._toxics, self._passable, self._counts = toxics, passable, counts
        self._chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(IN_FLIGHT)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward until the reader's end has been passed on. Raises a group with `OSError` if either side breaks."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._take(reader))
            both.create_task(self._give(writer))

    async def _take(self, reader: asyncio.StreamReader) -> None:
        due, loop, chunk = 0.0, asyncio.get_running_loop(), b"begin"
        while chunk:
            chunk = await reader.read(CHUNK)
            toxics = self._toxics()
            delay_ms = toxics.latency_ms + random.uniform(0, toxics.jitter_ms)  # noqa: S311 - no secret
            self._counts["delayed"] += delay_ms > 0
            due = max(due, loop.time() + delay_ms / 1000)
            await self._chunks.put((due, chunk))

    async def _give(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, chunk = await self._chunks.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not self._passable.is_set():
                self._counts["stalled"] += 1
                await self._passable.wait()
            if bandwidth := self._toxics().bytes_per_s:
                self._counts["throttled"] += 1
                await asyncio.sleep(len(chunk) / bandwidth)
            if not chunk:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()
            self._counts["bytes"] += len(chunk)
