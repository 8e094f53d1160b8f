"""Faults of processes: killed, paused and stopped ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.lab.chaos.fault import Fault, Kind, ResourceNeeds
from infra.lab.chaos.site import Site

SETTLE_S = {"broker": 12.0, "outside": 6.0}
RUNNING_STATES = ("starting", "ready", "paused")


@dataclass(frozen=True)
class ProcessFault(Kind):
    """Sends the supervisor one command to begin, and another to end."""

    name: str
    about: str
    undo: str
    state: str
    """The supervisor's name for the state that the fault causes."""
    command: str = ""
    """The supervisor command that begins the fault, if it is not the name of the kind."""
    only_services: bool = False
    also_exclusive: tuple[str, ...] = ()
    """Resources that are idle during the fault, so that no other fault could take effect there."""
    duration_range_s: tuple[float, float] = (3.0, 7.0)
    min_run_s: float = 0.0

    def parts(self, services: Sequence[str]) -> list[str]:
        if self.only_services:
            return list(services)
        return [*services, *(f"{service}-db" for service in services), "broker", "gateway", "outside"]

    def server(self, part: str) -> str:
        return part

    def needed_resources(self, part: str) -> ResourceNeeds:
        exclusive = {part, *self.also_exclusive}
        return ResourceNeeds(exclusive=frozenset(exclusive), settle_s=SETTLE_S.get(part, 8.0))

    async def begin(self, site: Site, fault: Fault) -> None:
        before = await site.parts()
        await site.send_command(self.command or self.name, fault.part)
        site.notes[fault.id] = [
            f"{name}: {_describe_process(before[name]['pid'], self.state)}"
            for name, part in (await site.parts()).items()
            if name == fault.part or name.startswith(f"{fault.part}.")
            if part["state"] == self.state and before.get(name, {}).get("state") in RUNNING_STATES
        ]

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        return "; ".join(site.notes.get(fault.id, ()))

    async def end(self, site: Site, fault: Fault) -> None:
        await site.send_command(self.undo, fault.part)


def _describe_process(pid: int | None, state: str) -> str:
    """Describe the state of a process as the kernel reports it (Linux), or of a container as Docker reported it."""
    return f"pid {pid} {_state(pid)}" if pid else f"it is {state}"


def _state(pid: int) -> str:
    try:
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "has ended"
    return {"T": "is stopped", "Z": "has ended"}.get(letter, f"is in state {letter}")


KINDS = (
    ProcessFault("kill", "The process is killed, as by a crash (SIGKILL).", undo="start", state="killed"),
    ProcessFault("pause", "The process hangs, with its connections open (SIGSTOP).", undo="resume", state="paused"),
    ProcessFault(
        "outage",
        "Every process of a service is down for longer than any deadline of an order.",
        undo="start",
        state="killed",
        command="kill",
        only_services=True,
        also_exclusive=("outside", "orders"),
        duration_range_s=(35.0, 40.0),
        min_run_s=120.0,
    ),
    ProcessFault("stop", "The process is asked to end (SIGTERM).", undo="start", state="stopped"),
)
