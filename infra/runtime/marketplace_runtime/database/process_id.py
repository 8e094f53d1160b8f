"""Makes process ids for claims and leases, by which other processes check whether the holder is alive."""

import secrets
from hashlib import blake2b
from pathlib import Path

LOCAL_ID_BITS = 31
"""Number of lower bits of an id, which tell the processes of one place apart. The upper bits name the place: the
network namespace of a machine."""


def _namespace_id() -> int:
    """Return 32 bits that identify this network namespace, in this boot of this machine; 0 if they are unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = Path("/proc/self/ns/net").readlink()
    except OSError:
        return 0
    return int.from_bytes(blake2b(f"{boot} {namespace}".encode(), digest_size=4).digest())


NAMESPACE_ID = _namespace_id()


def new_process_id() -> int:
    """Return a new id for this process, of 63 bits."""
    return NAMESPACE_ID << LOCAL_ID_BITS | secrets.randbits(LOCAL_ID_BITS)
