"""Reserves free ports on the loopback, so that no other program takes them before their server does."""

import contextlib
import random
import socket
import time
from collections.abc import Mapping

from infra.stack.errors import LocalError

PORT_RANGE = range(15_000, 32_000)
"""Range of ports to choose from. It lies below the ports that Linux and macOS assign to outgoing connections, which
could take a port just before a server starts."""

KNOWN_PORT_WAIT_S = 3.0
"""Seconds to wait for known ports: a server of an earlier, killed supervisor may still be ending."""


class Ports:
    """Reserved ports by name. `known` are the ports of an earlier run, by name. Each is used again if it is still free.

    Each port is held by a bound socket that does not listen. Servers can bind the same port, since all of them set
    SO_REUSEADDR or SO_REUSEPORT. A second stack that searches for free ports sets neither, and cannot bind it.
    While the server is down, the kernel refuses connections, as it should.
    """

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        self._known = dict(known or {})
        self._reserved: dict[str, socket.socket] = {}
        self._known_ports_deadline = time.monotonic() + KNOWN_PORT_WAIT_S

    def of(self, name: str) -> int:
        """Reserve and return the port called `name`: the known one if it is free, or else a new one.

        Raises `LocalError` if no free port is found.
        """
        if name not in self._reserved:
            self._reserved[name] = self._reserve_known(name) or _reserve_new()
            self._known[name] = self._reserved[name].getsockname()[1]
        return self._known[name]

    def as_dict(self) -> dict[str, int]:
        """Return every port by its name, to be stored in the state file."""
        return dict(self._known)

    def release(self) -> None:
        """Release all reserved ports."""
        for held in self._reserved.values():
            held.close()
        self._reserved.clear()

    def _reserve_known(self, name: str) -> socket.socket | None:
        if name not in self._known:
            return None
        while True:
            with contextlib.suppress(OSError):
                return _reserve(self._known[name], is_known=True)
            if time.monotonic() > self._known_ports_deadline:
                return None
            time.sleep(0.1)


def _reserve_new() -> socket.socket:
    for _ in range(200):
        with contextlib.suppress(OSError):
            return _reserve(random.choice(PORT_RANGE), is_known=False)  # noqa: S311 - no secret
    raise LocalError("No free port found on 127.0.0.1.", f"Free one between {PORT_RANGE[0]} and {PORT_RANGE[-1]}.")


def _reserve(port: int, *, is_known: bool) -> socket.socket:
    held = socket.socket()
    try:
        if is_known:  # connections of its last server in TIME_WAIT do not prevent the bind
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        held.close()
        raise
    return held
