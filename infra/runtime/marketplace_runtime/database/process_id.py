"""Makes process ids for claims and leases, by which other processes check whether the holder is alive."""

import secrets
from hashlib import blake2b
from pathlib import Path

LOCAL_ID_BITS = 31
"""Number of lower bits of a process id. They are random, and distinguish the processes of one network namespace. The
upper bits identify that namespace and its machine."""


def _network_namespace_id() -> int:
    """Return 32 bits that identify this network namespace, in this boot of this machine; 0 if they are unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/net").readlink()
    except OSError:
        return 0
    return int.from_bytes(blake2b(f"{boot} {namespace}".encode(), digest_size=4).digest())


NETWORK_NAMESPACE_ID = _network_namespace_id()


def new_process_id() -> int:
    """Return a new id for this process, of 63 bits."""
    return NETWORK_NAMESPACE_ID << LOCAL_ID_BITS | secrets.randbits(LOCAL_ID_BITS)
