"""Serves an application on one port, or on two: one for clients and one for operators."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import uvicorn
from starlette.types import ASGIApp

from marketplace_runtime.http.bounded_protocol import BoundedProtocol

GRACEFUL_SHUTDOWN_S = 5.0
"""Time for requests under way to finish at shutdown."""
CANCEL_TIMEOUT_S = 1.0
"""Time for cancelled requests to roll back and answer."""
BACKLOG = 1024
"""Maximum number of connections that wait to be accepted, per socket."""


class Ports(NamedTuple):
    """The ports on which a server listens."""

    http: int
    ops: int


class _Server(uvicorn.Server):
    """Sets `listening` once it listens, and leaves the handling of signals to its process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(app: ASGIApp, *, host: str, http_port: int, ops_port: int) -> AsyncIterator[Ports]:
    """Listen on both ports while the block runs, and yield their numbers. Port 0 means any free port.

    Raises OSError if a port is in use.
    """
    http = _bind(host, http_port)
    try:
        ops = _bind(host, ops_port)
    except OSError:
        http.close()
        raise
    async with _run_server(app, http, ops):
        yield Ports(http.getsockname()[1], ops.getsockname()[1])


@asynccontextmanager
async def listen(app: ASGIApp, host: str, port: int) -> AsyncIterator[int]:
    """Listen on one port while the block runs, and yield its number. Raises OSError if the port is in use."""
    bound = _bind(host, port)
    async with _run_server(app, bound):
        yield bound.getsockname()[1]


@asynccontextmanager
async def _run_server(app: ASGIApp, *sockets: socket.socket) -> AsyncIterator[None]:
    """Serve while the block runs. Then let requests under way finish within 5 s, and cancel the rest."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=int(GRACEFUL_SHUTDOWN_S),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=list(sockets)))
    listening = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if serving.done():
            serving.result()
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=GRACEFUL_SHUTDOWN_S + CANCEL_TIMEOUT_S)
        serving.cancel()
        if cancelled_requests := set(server.server_state.tasks):
            await asyncio.wait(cancelled_requests, timeout=CANCEL_TIMEOUT_S)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends the head and the body of an answer without waiting for an acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
