"""Journal of the faults in effect. A fault is recorded before it begins, so it can be undone even after a SIGKILL."""

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.lab.chaos.fault import Fault
from infra.lab.chaos.kinds import find_replaced
from infra.stack import LocalError, is_locked, write_private


@dataclass(frozen=True)
class Entry:
    """A fault that has begun, or was about to begin."""

    fault: Fault
    since: float
    """Unix time at which the fault was recorded."""


class Journal:
    """Keeps one file for each fault, so that several commands may write at the same time.

    A fault can have two more files: `.held` is locked by the process that holds the fault, and `.off` requests
    that this process undo it.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._directory, self._clock = directory, clock

    def add(self, fault: Fault) -> None:
        """Record the fault. It is on disk when this returns."""
        write_private(self._file(fault.id), json.dumps(asdict(fault) | {"since": self._clock()}) + "\n")

    def remove(self, fault_id: str) -> None:
        """Remove a fault that is undone."""
        self._file(fault_id).unlink(missing_ok=True)
        self._undo_request(fault_id).unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """Return the faults in effect, oldest first."""
        found = [self.find(path.stem) for path in self._directory.glob("*.json")]
        return sorted((entry for entry in found if entry), key=lambda entry: entry.since)

    def refuse_replacements(self, *faults: Fault) -> None:
        """Raise `LocalError` if one of the faults would replace one that is in effect."""
        current = [entry.fault for entry in self.entries()]
        for fault in faults:
            if other := find_replaced(fault, current):
                raise LocalError(
                    f"{other.kind} is in effect at {other.part} already, and {fault.kind} would replace it.",
                    f"Undo it first: ./marketplace fault rm {other.id}",
                )

    def find(self, fault_id: str) -> Entry | None:
        """Return the fault of this id, or None if it is not in effect."""
        try:
            raw = json.loads(self._file(fault_id).read_text())
        except FileNotFoundError:  # undone, perhaps by another process just now
            return None
        since = raw.pop("since")
        return Entry(Fault(**raw), since)

    def entry(self, fault_id: str) -> Entry:
        """Return the fault of this id. Raises `LocalError` if it is not in effect."""
        if entry := self.find(fault_id):
            return entry
        raise LocalError(f"There is no fault {fault_id!r} in effect.", "See ./marketplace fault ls")

    @contextlib.contextmanager
    def held(self, fault_id: str) -> Iterator[None]:
        """Hold the fault during the block, by a file lock. The lock is released even if this process is killed."""
        path = self._lock(fault_id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def is_held(self, fault_id: str) -> bool:
        """Return whether a living process holds the fault."""
        return is_locked(self._lock(fault_id))

    def request_undo(self, fault_id: str) -> None:
        """Ask the process that holds the fault to undo it."""
        write_private(self._undo_request(fault_id), "")

    def is_in_effect(self, fault_id: str) -> bool:
        """Return whether the fault is in effect, and no process has asked to undo it."""
        return self._file(fault_id).exists() and not self._undo_request(fault_id).exists()

    def _file(self, fault_id: str) -> Path:
        return self._directory / f"{fault_id}.json"

    def _lock(self, fault_id: str) -> Path:
        return self._directory / f"{fault_id}.held"

    def _undo_request(self, fault_id: str) -> Path:
        return self._directory / f"{fault_id}.off"
