"""Files that a process locks for as long as it lives: the kernel unlocks them when it dies."""

import fcntl
from pathlib import Path


def is_locked(path: Path) -> bool:
    """Whether a living process holds the file's exclusive lock."""
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
