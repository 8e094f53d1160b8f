"""Loopback detours through the fault proxy, for a stack that is faultable."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from infra.stack.ports import Ports

DEFAULT_PORTS = {"amqp": 5672, "postgresql": 5432, "http": 80}


@dataclass(frozen=True)
class Link:
    """Where the proxy listens, and where it connects to."""

    listen: int
    host: str
    port: int


class Links:
    """The proxy's links by name (`checkout:broker`, `payments-a`); none unless the stack is faultable."""

    def __init__(self, ports: Ports, *, faultable: bool) -> None:
        self.faultable = faultable
        self._ports = ports
        self._links: dict[str, Link] = {}

    @property
    def names(self) -> list[str]:
        """Every link."""
        return list(self._links)

    def through(self, name: str, url: str) -> str:
        """The same URL by way of the link `name`; the URL itself if the stack is not faultable."""
        parts = urlsplit(url)
        port = self.port(name, parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORTS[parts.scheme])
        if not self.faultable:
            return url
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{port}"))

    def port(self, name: str, host: str, port: int) -> int:
        """The port to connect to on the loopback, in place of `port` on `host`."""
        if not self.faultable:
            return port
        if name not in self._links:
            self._links[name] = Link(self._ports.of(f"{name}-link"), host, port)
        return self._links[name].listen

    def write(self, path: Path) -> None:
        """Tell the proxy, which reads them when it starts."""
        path.write_text(json.dumps({name: asdict(link) for name, link in self._links.items()}, indent=2) + "\n")
