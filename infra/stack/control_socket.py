"""Implements the supervisor's control socket: one JSON line per request, and JSON lines as answers.

Only the socket's owner can open it.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from infra.stack.errors import LocalError, StackIsDown

Message = dict[str, Any]
"""A JSON object. A request has `do` and its arguments, a refusal has `error` and `remedy`."""
RequestHandler = Callable[[Message], AsyncIterator[Message]]
LINE_LIMIT = 2**20


async def serve(path: Path, handle_request: RequestHandler) -> asyncio.Server:
    """Listen on a Unix socket at `path`, and answer requests until the returned server is closed.

    A `LocalError` raised by `handle_request` is sent as a refusal.
    """

    async def handle_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            try:
                async for answer in handle_request(request):
                    await _send(writer, answer)
            except LocalError as error:
                await _send(writer, {"error": str(error), "remedy": error.remedy})
        except (OSError, ValueError):
            return  # the client disconnected, or sent invalid JSON
        finally:
            writer.close()

    path.unlink(missing_ok=True)  # noqa: ASYNC240 - one system call
    with _short_address(path) as address:
        mask = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(handle_connection, address, limit=LINE_LIMIT)
        finally:
            os.umask(mask)


async def stream_request(path: Path, request: Message) -> AsyncIterator[Message]:
    """Send a request to the supervisor, and yield its answers.

    Raises `StackIsDown` if no supervisor listens, and `LocalError` if the supervisor refuses the request. The answers
    end early if the supervisor is killed.
    """
    try:
        with _short_address(path) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=LINE_LIMIT)
    except (FileNotFoundError, ConnectionRefusedError):
        raise StackIsDown(f"The stack {path.parent.name} is not up.", "Start it: ./marketplace up -d") from None
    try:
        await _send(writer, request)
        while line := await reader.readline():
            answer: Message = json.loads(line)
            if "error" in answer:
                raise LocalError(answer["error"], answer["remedy"])
            yield answer
    except ConnectionResetError:
        return  # the supervisor was killed
    finally:
        writer.close()


async def send_request(path: Path, request: Message) -> Message:
    """Send a request, and return the supervisor's last answer. It is empty if the supervisor ended without one."""
    last: Message = {}
    async for answer in stream_request(path, request):
        last = answer
    return last


async def _send(writer: asyncio.StreamWriter, message: Message) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()


@contextlib.contextmanager
def _short_address(path: Path) -> Iterator[str]:
    """Yield an address of the socket with at most 100 bytes, as the system allows little more.

    A longer path is replaced by one below /proc/self/fd, where that exists (Linux).
    """
    if len(os.fsencode(path)) <= 100 or not Path("/proc/self/fd").exists():
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
