"""A connection between a client and a server that a test can cut: a link of the fault proxy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from infra.lab.chaos.proxy.link import Link
from infra.lab.chaos.proxy.toxics import Toxics


class Wire:
    """Forwards to one server; `cut` closes every connection at once, like a pulled cable."""

    def __init__(self, link: Link, port: int) -> None:
        self._link, self._port = link, port
        self._broken = False
        self.cuts = 0

    def of(self, url: str) -> str:
        """Return `url` with this wire's port in place of the server's."""
        return url.replace(f":{self._link.port}/", f":{self._port}/")

    @property
    def used(self) -> bool:
        """Whether a client is connected."""
        return self._link.is_used

    @property
    def broken(self) -> bool:
        """Whether the wire refuses connections."""
        return self._broken

    @broken.setter
    def broken(self, broken: bool) -> None:
        self._broken = broken
        self._link.toxics = Toxics(reset=broken)

    def cut(self) -> None:
        """Close every connection; new ones are forwarded, unless the wire is broken."""
        self.cuts += self.used
        self._link.set_toxics(Toxics(reset=True))
        self.broken = self._broken


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """Open a wire to the server at `url` until the block ends."""
    address = urlsplit(url)
    link = Link(0, str(address.hostname), int(address.port or 5672))
    server = await link.open()
    wire = Wire(link, server.sockets[0].getsockname()[1])
    try:
        yield wire
    finally:
        server.close()
        link.set_toxics(Toxics(reset=True))
