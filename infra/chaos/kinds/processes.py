"""Processes that die, hang, or are told to end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.chaos.fault import Fault, Kind, Touches
from infra.chaos.site import Site

SETTLE_S = {"broker": 12.0, "outside": 6.0}


@dataclass(frozen=True)
class ProcessFault(Kind):
    """Begun by one word to the supervisor, and ended by another."""

    name: str
    about: str
    undo: str
    state: str
    """What the supervisor calls a part in this condition."""

    def parts(self, services: Sequence[str]) -> list[str]:
        return [*services, *(f"{service}-db" for service in services), "broker", "outside"]

    def touches(self, part: str) -> Touches:
        return Touches(alone=frozenset({part}), settle_s=SETTLE_S.get(part, 8.0))

    async def begin(self, site: Site, fault: Fault) -> None:
        before = await self._parts(site, fault.part)
        await site.order(self.name, fault.part)
        after = await self._parts(site, fault.part)
        site.notes[fault.id] = [
            f"{name}: pid {before[name]} {_state(before[name])}"
            for name, part in (await site.parts()).items()
            if name in after and before.get(name) and part["state"] == self.state
        ]

    async def bite(self, site: Site, fault: Fault) -> str:
        return "; ".join(site.notes.get(fault.id, ()))

    async def end(self, site: Site, fault: Fault) -> None:
        await site.order(self.undo, fault.part)

    async def _parts(self, site: Site, name: str) -> dict[str, int | None]:
        """The part's processes by name: one, or one for each replica."""
        parts = await site.parts()
        return {each: part["pid"] for each, part in parts.items() if each == name or each.startswith(f"{name}.")}


def _state(pid: int | None) -> str:
    """What the kernel says of a process (Linux)."""
    try:
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "is gone"
    return {"T": "is stopped", "Z": "is gone"}.get(letter, f"is in state {letter}")


KINDS = (
    ProcessFault("kill", "The process ends as by a crash (SIGKILL).", undo="start", state="killed"),
    ProcessFault("pause", "The process hangs, with its connections open (SIGSTOP).", undo="resume", state="paused"),
    ProcessFault("stop", "The process is told to end (SIGTERM).", undo="start", state="stopped"),
)
