"""Forwards one direction of one connection."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from infra.lab.chaos.proxy.toxics import Toxics

CHUNK_BYTES = 64 * 1024
MAX_BUFFERED_CHUNKS = 64
"""Maximum number of buffered chunks. Beyond that nothing is read, so the sender blocks as with a full TCP window."""


class Pipe:
    """Forwards bytes from a reader to a writer, and applies the toxics of its link."""

    def __init__(self, toxics: Callable[[], Toxics], can_forward: asyncio.Event, counts: Counter[str]) -> None:
        self._toxics, self._can_forward, self._counts = toxics, can_forward, counts
        self._chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_BUFFERED_CHUNKS)

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward until the reader ends, then end the writer (EOF). Raises a group with `OSError` if either breaks."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read_chunks(reader))
            both.create_task(self._write_chunks(writer))

    async def _read_chunks(self, reader: asyncio.StreamReader) -> None:
        due, loop, chunk = 0.0, asyncio.get_running_loop(), b"begin"
        while chunk:
            chunk = await reader.read(CHUNK_BYTES)
            toxics = self._toxics()
            delay_ms = toxics.latency_ms + random.uniform(0, toxics.jitter_ms)  # noqa: S311 - no secret
            self._counts["delayed"] += delay_ms > 0
            due = max(due, loop.time() + delay_ms / 1000)
            await self._chunks.put((due, chunk))

    async def _write_chunks(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, chunk = await self._chunks.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not self._can_forward.is_set():
                self._counts["stalled"] += 1
                await self._can_forward.wait()
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
