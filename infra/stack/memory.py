"""What a part consists of, and how much memory it takes."""

from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants (Linux; 0 elsewhere or when it is gone).

    Of the descendants only what is their own counts, because they share their parent's pages.
    """
    return _field(pid, "VmRSS") + sum(_field(child, "RssAnon") for child in descendants(pid))


def descendants(pid: int) -> list[int]:
    """Everything that a process started, directly or not (Linux; none elsewhere)."""
    found = _children(pid)
    for child in found:  # which grows as we go
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
