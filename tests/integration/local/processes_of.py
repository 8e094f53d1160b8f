"""Finds the processes of a directory, and the addresses on which they listen, in /proc."""

import re
from pathlib import Path


def processes_of(directory: Path) -> set[int]:
    """Return the ids of all processes with the directory in their command line, environment or working directory."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            where = str((process / "cwd").readlink())
        except OSError:
            continue  # it has ended
        if str(directory).encode() in text or where.startswith(str(directory)):
            found.add(int(process.name))
    return found


def listening_addresses(pid: int) -> set[str]:
    """Return the local addresses, in the kernel's hex, of the TCP sockets on which the process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.update(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
        except OSError:
            continue  # it was closed meanwhile
    rows = [
        row.split()
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}
