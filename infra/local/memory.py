"""How much memory a part takes."""

from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants (Linux; 0 elsewhere or when it is gone).

    Of the descendants only what is their own counts, because they share their parent's pages.
    """
    total = _field(pid, "VmRSS")
    waiting = _children(pid)
    while waiting:
        child = waiting.pop()
        total += _field(child, "RssAnon")
        waiting += _children(child)
    return total


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
