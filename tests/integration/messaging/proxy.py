"""A wire between a client and a server that a test can cut: a link of the fault proxy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from infra.lab.chaos.proxy.link import Link
from infra.lab.chaos.proxy.toxics import Toxics


class Wire:
    """Leads to one server; `cut` ends every connection at once, as a pulled cable does."""

    def __init__(self, link: Link, port: int) -> None:
        self._link, self._port = link, port
        self._broken = False
        self.cuts = 0

    def of(self, url: str) -> str:
        """`url` with this wire in place of the server's own port."""
        return url.replace(f":{self._link.port}/", f":{self._port}/")

    @property
    def used(self) -> bool:
        """Whether anybody is connected."""
        return self._link.is_used

    @property
    def broken(self) -> bool:
        """Whether nobody gets through any more."""
        return self._broken

    @broken.setter
    def broken(self, broken: bool) -> None:
        self._broken = broken
        self._link.toxics = Toxics(reset=broken)

    def cut(self) -> None:
        """End every connection; new ones get through, unless the wire is broken."""
        self.cuts += self.used
        self._link.suffer(Toxics(reset=True))
        self.broken = self._broken


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A wire to the server at `url`, up until the block ends."""
    address = urlsplit(url)
    link = Link(0, str(address.hostname), int(address.port or 5672))
    server = await link.open()
    wire = Wire(link, server.sockets[0].getsockname()[1])
    try:
        yield wire
    finally:
        server.close()
        link.suffer(Toxics(reset=True))
