"""Which faults are in effect: written down before they begin, so that even after a SIGKILL they can be undone."""

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.lab.chaos.fault import Fault
from infra.lab.chaos.kinds import replaced_by
from infra.stack import LocalError, is_locked, write_private


@dataclass(frozen=True)
class Entry:
    """A fault that began, or was about to."""

    fault: Fault
    since: float
    """Unix time."""


class Journal:
    """A file for each fault, so that several commands may write at a time.

    Beside it, a lock says that a command still holds the fault, and a mark that somebody wants it undone.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._directory, self._clock = directory, clock

    def add(self, fault: Fault) -> None:
        """It is on disk when this returns."""
        write_private(self._file(fault.id), json.dumps(asdict(fault) | {"since": self._clock()}) + "\n")

    def remove(self, fault_id: str) -> None:
        """It is undone."""
        self._file(fault_id).unlink(missing_ok=True)
        self._mark(fault_id).unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """What is in effect, the oldest first."""
        found = [self.find(path.stem) for path in self._directory.glob("*.json")]
        return sorted((entry for entry in found if entry), key=lambda entry: entry.since)

    def check_free(self, *faults: Fault) -> None:
        """Raises `LocalError` if one of the faults would replace one that is in effect."""
        standing = [entry.fault for entry in self.entries()]
        for fault in faults:
            if other := replaced_by(fault, standing):
                raise LocalError(
                    f"{other.kind} is in effect at {other.part} already, and {fault.kind} would replace it.",
                    f"Undo it first: ./marketplace fault rm {other.id}",
                )

    def find(self, fault_id: str) -> Entry | None:
        """The fault of this id, if it is in effect."""
        try:
            raw = json.loads(self._file(fault_id).read_text())
        except FileNotFoundError:  # undone, perhaps just now
            return None
        since = raw.pop("since")
        return Entry(Fault(**raw), since)

    def entry(self, fault_id: str) -> Entry:
        """The fault of this id. Raises `LocalError`."""
        if entry := self.find(fault_id):
            return entry
        raise LocalError(f"There is no fault {fault_id!r} in effect.", "See ./marketplace fault ls")

    @contextlib.contextmanager
    def held(self, fault_id: str) -> Iterator[None]:
        """For the length of the block this process has the fault in its hands; it lets go even if it is killed."""
        path = self._lock(fault_id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def is_held(self, fault_id: str) -> bool:
        """Whether a process has the fault in its hands."""
        return is_locked(self._lock(fault_id))

    def call_off(self, fault_id: str) -> None:
        """Have whoever holds the fault let go of it."""
        write_private(self._mark(fault_id), "")

    def stands(self, fault_id: str) -> bool:
        """Whether it is in effect, and nobody wants it undone."""
        return self._file(fault_id).exists() and not self._mark(fault_id).exists()

    def _file(self, fault_id: str) -> Path:
        return self._directory / f"{fault_id}.json"

    def _lock(self, fault_id: str) -> Path:
        return self._directory / f"{fault_id}.held"

    def _mark(self, fault_id: str) -> Path:
        return self._directory / f"{fault_id}.off"
