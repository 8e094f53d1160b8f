"""Which processes of this machine are alive, as its kernel knows: a socket's name falls with its process.

A process binds a name made of its holder; where nobody can connect to that any more, it is dead for certain.
Such abstract names are Linux's, one set for each network namespace: a holder's upper bits say of which it is.
"""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

BITS = 31
"""Of a holder, those that tell the processes of one place apart."""


def _place() -> int:
    """This network namespace, of this boot of this machine, in 32 bits. 0 where nobody can tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/net").readlink()
    except OSError:
        return 0
    return int.from_bytes(blake2b(f"{boot} {namespace}".encode(), digest_size=4).digest())


PLACE = _place()


def new_holder() -> int:
    """A name for this process, in 63 bits."""
    return PLACE << BITS | secrets.randbits(BITS)


@contextmanager
def living_here(holder: int) -> Iterator[None]:
    """Be found alive until the block ends, or the process does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
        if PLACE:
            name.bind(_name(holder))
        yield


def lives_here(holder: int) -> bool | None:
    """Whether it is alive, for certain. None: it is of another machine, or nobody can tell."""
    if not PLACE or holder >> BITS != PLACE:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(_name(holder))
        except ConnectionRefusedError:
            return False
    return True


def _name(holder: int) -> str:
    return f"\0marketplace {holder}"
