"""Finds the processes of a part, and how much memory they use."""

from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and its descendants in bytes. 0 if it has ended, or not on Linux.

    For descendants only anonymous memory counts, because they share other pages with their parent.
    """
    return _field(pid, "VmRSS") + sum(_field(child, "RssAnon") for child in descendants(pid))


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes that a process started, directly or indirectly (Linux; none elsewhere)."""
    found = _children(pid)
    for child in found:  # the list grows during the loop
        found += _children(child)
    return found


def _field(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
