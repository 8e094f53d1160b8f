"""Waits until a server is ready."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.stack.errors import NotReady
from infra.stack.part import RunningPart

POLL_S = 0.05


async def wait_until_ready(
    is_ready: Callable[[], Awaitable[bool]], running: RunningPart, *, name: str, within_s: float, log: str
) -> None:
    """Return once `is_ready()` is true. Raises `NotReady` if the process ends first, or after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    ended = asyncio.ensure_future(running.wait())
    try:
        while not await _check(is_ready):
            if ended.done():
                raise NotReady(
                    f"{name} ended with exit code {ended.result()} before it was ready. {_last_log_line(log)}",
                    f"See {log}",
                )
            if time.monotonic() > deadline:
                raise NotReady(f"{name} was not ready within {within_s:.0f} s.", f"See {log}")
            await asyncio.sleep(POLL_S)
    finally:
        ended.cancel()


def _last_log_line(log: str) -> str:
    """Return a sentence with the last line of a program's log, which may contain the reason for its end."""
    try:
        lines = Path(log).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f"Its last log line: {lines[-1].strip()}" if lines else ""


async def _check(is_ready: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(5):
            return await is_ready()
    except OSError:  # includes TimeoutError
        return False


async def is_listening(port: int) -> bool:
    """Return whether something listens on this loopback port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def http_status(url: str) -> int:
    """Return the status code of a GET of this http URL, which may contain user and password. 0: no answer.

    This is a client of a few lines, because the supervisor, which polls, should not load an HTTP library.
    Raises `OSError` if it cannot connect.
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
