"""A link forwards connections from a local port to a server, and applies its toxics to them."""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field

from infra.lab.chaos.proxy.pipe import CHUNK_BYTES, Pipe
from infra.lab.chaos.proxy.toxics import Toxics

FIRST_BYTES_TIMEOUT_S = 1.0
"""Seconds to wait for a client's first bytes before a reset. Some clients send nothing before the server's greeting."""


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    forwarding: asyncio.Future[None]
    half_open: bool = False


@dataclass
class Link:
    """Forwards every connection to `host:port`, and counts what happens to it."""

    listen: int
    host: str
    port: int
    toxics: Toxics = field(default_factory=Toxics)
    counts: Counter[str] = field(default_factory=Counter)
    """Numbers of all `connections`, of `reset` and `half_open` ones, of `bytes`, and of `delayed`, `throttled` and
    `stalled` chunks."""

    def __post_init__(self) -> None:
        self._connections: set[_Connection] = set()
        self._can_forward = asyncio.Event()
        self._can_forward.set()
        self._not_half_open = asyncio.Event()
        self._not_half_open.set()

    @property
    def is_used(self) -> bool:
        """Whether there is an open connection."""
        return bool(self._connections)

    async def open(self) -> asyncio.Server:
        """Listen on the loopback interface."""
        return await asyncio.start_server(self._serve, "127.0.0.1", self.listen, limit=CHUNK_BYTES)

    def set_toxics(self, toxics: Toxics) -> None:
        """Replace the link's toxics, for open and for new connections."""
        self.toxics = toxics
        _set(self._can_forward, not toxics.black_hole)
        _set(self._not_half_open, not toxics.half_open)
        for each in list(self._connections):
            if toxics.reset:
                self._reset(each.client)
                _abort(each.server)
            elif toxics.half_open:
                each.half_open = True
                each.forwarding.cancel()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.counts["connections"] += 1
        if self.toxics.reset:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(FIRST_BYTES_TIMEOUT_S):
                    await reader.read(CHUNK_BYTES)
            self._reset(client)
            return
        if not self._can_forward.is_set():
            self.counts["stalled"] += 1
            await self._can_forward.wait()
        try:
            server_reader, server = await asyncio.open_connection(self.host, self.port, limit=CHUNK_BYTES)
        except OSError:
            _abort(client)  # the server refused: a proxy can only reset a connection that it has accepted
            return
        forwarding = asyncio.gather(self._pipe(reader, server), self._pipe(server_reader, client))
        connection = _Connection(client, server, asyncio.ensure_future(_wait_until_closed(forwarding)))
        self._connections.add(connection)
        try:
            await asyncio.wait({connection.forwarding})
            if connection.half_open:
                self.counts["half_open"] += 1
                _abort(server)
                await self._discard_input(reader)
        finally:
            connection.forwarding.cancel()
            self._connections.discard(connection)
            _abort(server)
            _abort(client)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Pipe(lambda: self.toxics, self._can_forward, self.counts).forward(reader, writer)

    async def _discard_input(self, reader: asyncio.StreamReader) -> None:
        """Discard what the client sends, until the fault ends or the client disconnects."""
        half_open_ended = asyncio.ensure_future(self._not_half_open.wait())
        while not half_open_ended.done():
            reading = asyncio.ensure_future(reader.read(CHUNK_BYTES))
            await asyncio.wait({half_open_ended, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and (reading.exception() or not reading.result()):
                break
            reading.cancel()
        half_open_ended.cancel()

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        self.counts["reset"] += 1
        _abort(writer)


def is_named(link: str, name: str) -> bool:
    """Return whether `name` stands for the link: it is its name, or its name without the number of a replica."""
    return name in (link, link.rpartition(".")[0])


async def _wait_until_closed(forwarding: "asyncio.Future[tuple[None, None]]") -> None:
    """Wait until both directions have ended. A broken side ends the connection, and is no error."""
    with contextlib.suppress(OSError, ExceptionGroup):
        await forwarding


def _set(event: asyncio.Event, value: bool) -> None:
    (event.set if value else event.clear)()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close the connection with a reset (RST) rather than an orderly end (FIN)."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
