"""What runs below a directory, and where it listens, as the kernel tells it."""

import re
from pathlib import Path


def processes_of(directory: Path) -> set[int]:
    """Every process that has the directory in its command line, its environment, or as its working directory."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            where = str((process / "cwd").readlink())
        except OSError:
            continue  # it ended
        if str(directory).encode() in told or where.startswith(str(directory)):
            found.add(int(process.name))
    return found


def listening_addresses(pid: int) -> set[str]:
    """The local addresses, in the kernel's hex, of every TCP socket on which the process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.update(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
        except OSError:
            continue  # closed meanwhile
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}
