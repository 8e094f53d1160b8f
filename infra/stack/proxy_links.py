"""Routes connections through the fault proxy on the loopback, if the stack is faultable."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from infra.stack.ports import Ports

DEFAULT_PORTS = {"amqp": 5672, "postgresql": 5432, "http": 80}


@dataclass(frozen=True)
class Link:
    """The port at which the proxy listens, and the address to which it connects."""

    listen: int
    host: str
    port: int


class Links:
    """The proxy's links by name (`checkout:broker`, `payments-a`). There are none unless the stack is faultable."""

    def __init__(self, ports: Ports, *, faultable: bool) -> None:
        self.faultable = faultable
        self._ports = ports
        self._links: dict[str, Link] = {}

    @property
    def names(self) -> list[str]:
        """The names of all links."""
        return list(self._links)

    def routed_url(self, name: str, url: str) -> str:
        """Return the URL with the address of the link `name`. Returns `url` itself if the stack is not faultable."""
        parts = urlsplit(url)
        port = self.port(name, parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORTS[parts.scheme])
        if not self.faultable:
            return url
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{port}"))

    def port(self, name: str, host: str, port: int) -> int:
        """Return the loopback port to connect to instead of `port` on `host`. Creates the link if there is none.

        Returns `port` itself if the stack is not faultable.
        """
        if not self.faultable:
            return port
        if name not in self._links:
            self._links[name] = Link(self._ports.of(f"{name}-link"), host, port)
        return self._links[name].listen

    def write(self, path: Path) -> None:
        """Write the links to the file that the proxy reads when it starts."""
        path.write_text(json.dumps({name: asdict(link) for name, link in self._links.items()}, indent=2) + "\n")
