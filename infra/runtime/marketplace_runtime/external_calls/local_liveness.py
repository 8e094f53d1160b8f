"""Which processes of this machine are alive, as its kernel knows: a socket's name falls with its process.

A process binds a name made of its id; where nobody can connect to that any more, it is dead for certain.
Such abstract names are Linux's, one set for each network namespace: an id's upper bits say of which it is.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from marketplace_runtime.database import BITS, PLACE

PREFIX = "marketplace"
"""Of the sockets' names. It never changes: processes of two releases look for each other."""


@contextmanager
def living_here(process_id: int) -> Iterator[None]:
    """Be found alive until the block ends, or the process does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
        if PLACE:
            name.bind(_name(process_id))
        yield


def lives_here(process_id: int) -> bool | None:
    """Whether it is alive, for certain. None: it is of another machine, or nobody can tell."""
    if not PLACE or process_id >> BITS != PLACE:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(_name(process_id))
        except ConnectionRefusedError:
            return False
    return True


def _name(process_id: int) -> str:
    return f"\0{PREFIX} {process_id}"
