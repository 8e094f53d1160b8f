"""Waiting for a server until it answers."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.stack.errors import NotReady
from infra.stack.part import Running

POLL_S = 0.05


async def until_ready(
    answers: Callable[[], Awaitable[bool]], running: Running, *, name: str, within_s: float, log: str
) -> None:
    """Return once `answers()` is true. Raises `NotReady` when the process ends first or the time is up."""
    deadline = time.monotonic() + within_s
    ended = asyncio.ensure_future(running.wait())
    try:
        while not await _attempt(answers):
            if ended.done():
                raise NotReady(
                    f"{name} ended with {ended.result()} before it was ready. {_last_words(log)}", f"See {log}"
                )
            if time.monotonic() > deadline:
                raise NotReady(f"{name} was not ready within {within_s:.0f} s.", f"See {log}")
            await asyncio.sleep(POLL_S)
    finally:
        ended.cancel()


def _last_words(log: str) -> str:
    """The last line of a program's log, for who wants to know why it ended."""
    try:
        lines = Path(log).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f"Its last words: {lines[-1].strip()}" if lines else ""


async def _attempt(answers: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(5):
            return await answers()
    except OSError:
        return False


async def accepts(port: int) -> bool:
    """Whether something listens on this port of the loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def http_status(url: str) -> int:
    """The status that a GET of this http URL (with or without user and password) answers; 0 for no answer.

    A client of a few lines, because a supervisor that polls should not load an HTTP library.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.hostname}:{parts.port}\r\nConnection: close\r\n"
        if parts.username:
            credentials = base64.b64encode(unquote(f"{parts.username}:{parts.password}").encode()).decode()
            head += f"Authorization: Basic {credentials}\r\n"
        writer.write(f"{head}\r\n".encode())
        status = (await reader.readline()).split()
        return int(status[1]) if len(status) > 1 else 0
    finally:
        writer.close()
