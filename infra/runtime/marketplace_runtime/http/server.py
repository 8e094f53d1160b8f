"""Serve an application on two ports: one that replicas share, one of this process alone."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import uvicorn
from starlette.types import ASGIApp

from marketplace_runtime.http.bounded_protocol import BoundedProtocol

GRACE_S = 5.0
CANCELLED_S = 1.0
"""For what had to be cut off: to roll back, and to say so."""
BACKLOG = 1024


class Ports(NamedTuple):
    """Where a server listens."""

    http: int
    ops: int


class _Server(uvicorn.Server):
    """Says when it listens, and leaves signals to the process that it is part of."""

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
    """Listen on both ports while the block runs. Port 0 is any free port: the block gets the ports taken.

    Raises OSError if a port is in use.
    """
    shared = _bound(host, http_port, shared=True)
    try:
        own = _bound(host, ops_port, shared=False)
    except OSError:
        shared.close()
        raise
    async with _serving(app, shared, own):
        yield Ports(shared.getsockname()[1], own.getsockname()[1])


@asynccontextmanager
async def listen(app: ASGIApp, host: str, port: int, *, shared: bool = False) -> AsyncIterator[int]:
    """Listen on one port while the block runs; it gets the port's number. Raises OSError if the port is in use.

    Replicas can listen on one `shared` port (SO_REUSEPORT: the kernel distributes the connections).
    """
    bound = _bound(host, port, shared=shared)
    async with _serving(app, bound):
        yield bound.getsockname()[1]


@asynccontextmanager
async def _serving(app: ASGIApp, *sockets: socket.socket) -> AsyncIterator[None]:
    """Serve while the block runs; then finish the requests under way, within 5 s, or cancel them."""
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
        timeout_graceful_shutdown=int(GRACE_S),
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
        await asyncio.wait({serving}, timeout=GRACE_S + CANCELLED_S)
        serving.cancel()
        if cut_off := set(server.server_state.tasks):
            await asyncio.wait(cut_off, timeout=CANCELLED_S)


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
