"""A cheap HTTP client for many requests: it encodes each request once and reuses connections."""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

KEPT_S = 3.0
"""A connection idle for longer is not reused, since the server may be about to close it."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Answered:
    """The answer to one request, and the time from before the connection to the answer."""

    status: int
    seconds: float
    body: bytes

    @property
    def refused(self) -> bool:
        return self.status == 503


class Client:
    """Sends requests to one service; each uses a connection exclusively."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), parts.port
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = deque()

    def written(self, method: str, path: str, headers: dict[str, str], body: object = None) -> bytes:
        """Return an encoded request."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = {"Host": self._host, "Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content

    async def request(self, written: bytes) -> Answered:
        """Send an encoded request. Raises `OSError` or `IncompleteReadError` if no answer arrives."""
        began = time.perf_counter()
        reader, writer = await self._connection()
        writer.write(written)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        seconds = time.perf_counter() - began
        self._idle.append((reader, writer, time.monotonic()))
        return Answered(int(head[9:12]), seconds, body)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer, since = self._idle.pop()
            if time.monotonic() - since < KEPT_S and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


async def in_turns(at_once: int, for_s: float, work: Callable[[int], Awaitable[None]]) -> float:
    """Run `at_once` workers in a closed loop for `for_s` seconds. Returns pieces of work per second."""
    over, count = time.monotonic() + for_s, 0

    async def worker() -> None:
        nonlocal count
        while time.monotonic() < over:
            count += 1
            await work(count)

    async with asyncio.TaskGroup() as workers:
        for _ in range(at_once):
            workers.create_task(worker())
    return count / for_s


async def at_rate(rate: float, for_s: float, work: Callable[[int], Coroutine[Any, Any, None]]) -> float:
    """Start `rate` pieces of work per second (an open loop) and wait for all. Returns the achieved rate."""
    began = time.monotonic()
    total = round(rate * for_s)
    async with asyncio.TaskGroup() as pieces:
        for number in range(total):
            if (ahead := began + number / rate - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            pieces.create_task(work(number))
        return total / (time.monotonic() - began)
