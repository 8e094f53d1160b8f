"""Checks lock files. A process locks one for as long as it lives, and the kernel unlocks it when the process dies."""

import fcntl
from pathlib import Path


def is_locked(path: Path) -> bool:
    """Return whether a living process holds the file's exclusive lock. False if there is no such file."""
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
