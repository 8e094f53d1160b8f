"""A wire between a client and a server that a test can cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Wire:
    """Forwards bytes both ways; `cut` ends every connection at once, as a pulled cable does."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._ends: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.broken = False
        """Whether nobody gets through any more."""
        self.cuts = 0

    def of(self, url: str) -> str:
        """`url` with this wire in place of the server's own port."""
        return url.replace(f":{self._port}/", f":{self.port}/")

    @property
    def used(self) -> bool:
        """Whether anybody is connected."""
        return bool(self._ends)

    def cut(self) -> None:
        self.cuts += bool(self._ends)
        for end in list(self._ends):
            end.transport.abort()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            writer.transport.abort()
            return
        try:
            there, out = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._pump(reader, out), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._ends.discard(writer)
            writer.close()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A wire to the server at `url`, up until the block ends."""
    address = urlsplit(url)
    wire = Wire(str(address.hostname), int(address.port or 5672))
    server = await asyncio.start_server(wire.connect, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        wire.cut()
