"""Checks through the kernel whether a process of this machine is alive.

A process binds a socket to a name made from its `Database.process_id`, which is not the kernel's process id. The
kernel releases the name when the process dies. If connecting to the name is refused, the process is certainly dead.
These abstract socket names exist only on Linux, and belong to a network namespace. The upper bits of a process id name
its machine, boot and network namespace.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from marketplace_runtime.database import LOCAL_ID_BITS, NETWORK_NAMESPACE_ID

PREFIX = "marketplace"
"""Prefix of the socket names. It must never change: processes of two releases check each other."""


@contextmanager
def bind_liveness_socket(process_id: int) -> Iterator[None]:
    """Bind the socket name of this process until the block or the process ends, if `NETWORK_NAMESPACE_ID` is known."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound_socket:
        if NETWORK_NAMESPACE_ID:
            bound_socket.bind(_name(process_id))
        yield


def is_alive_locally(process_id: int) -> bool | None:
    """Return whether the process is alive. None if the kernel cannot tell, as for a process of another machine."""
    if not NETWORK_NAMESPACE_ID or process_id >> LOCAL_ID_BITS != NETWORK_NAMESPACE_ID:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_name(process_id))
        except ConnectionRefusedError:
            return False
    return True


def _name(process_id: int) -> str:
    return f"\0{PREFIX} {process_id}"
