"""Runs one contender's program as a process, and measures it from outside."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infra.stack import python_path
from infra.stack.processes import Command, Process, base_environment, spawn
from tests.benchmarks.servers import PASSWORDS, Servers, as_celery_task
from tests.benchmarks.work import OUTGOING, SERVICE, Assignment, Message, Work

PROJECT = Path(__file__).parents[2]
CELERY_TASK = "place_order"


@dataclass(frozen=True)
class Contender:
    """A program that does the work, with its best settings."""

    name: str
    module: str
    prefetch: int
    """The best of 200, 400 and 800 (floor), of 5, 10, 20 and 50 (FastStream), of 4, 20 and 100 (Celery's multiplier).
    The runtime derives its own from its batch size."""
    as_admin: bool = False
    celery: bool = False
    history: bool = False
    """Whether it begins with the events in the log."""

    def encode(self, messages: Sequence[Message]) -> Sequence[Message]:
        return [as_celery_task(each, CELERY_TASK) for each in messages] if self.celery else messages


MARKETPLACE = Contender("marketplace", "tests.benchmarks.contenders.marketplace", 0)
BACKFILLED = Contender("backfilled", "tests.benchmarks.contenders.marketplace", 0, history=True)
FLOOR = Contender("floor", "tests.benchmarks.contenders.floor", 800)
FASTSTREAM = Contender("faststream", "tests.benchmarks.contenders.fast_stream", 10)
CELERY = Contender("celery", "tests.benchmarks.contenders.celery_peer", 100, as_admin=True, celery=True)


@asynccontextmanager
async def running(contender: Contender, servers: Servers, work: Work) -> AsyncIterator[Process]:
    """Run the contender until the block ends, then stop it gracefully."""
    urls = servers.broker
    assignment = Assignment(
        database_url=servers.database.app,
        broker_url=urls.amqp if contender.as_admin else urls.amqp_of(SERVICE, PASSWORDS[SERVICE]),
        work=work,
        prefetch=contender.prefetch,
        history=contender.history,
    )
    log = servers.directory / f"{contender.name}.log"
    process = await spawn(
        Command(
            argv=(sys.executable, "-m", contender.module),
            env=base_environment() | {"PYTHONPATH": python_path(PROJECT)} | assignment.environment(),
            cwd=servers.directory,
            log=log,
        )
    )
    try:
        yield process
    except BaseException as error:
        error.add_note(f"log of {contender.name}: {log.read_text()[-2000:]}")
        raise
    finally:
        await process.stop()


def process_tree(pid: int) -> set[int]:
    """Return the process and all its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_s(processes: set[int]) -> float:
    """Return the processor time that the processes have used, in seconds, without this process."""
    total = 0
    for pid in processes - {os.getpid()}:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True)
class Turn:
    """A contender's work between its first event and its last, or until time was up."""

    events: float
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """The processor time per event, in microseconds."""
        return self.cpu_s / self.events * 1e6


async def measure(
    process: Process,
    servers: Servers,
    number: int,
    *,
    at_most_s: float,
    warm_up: int = 0,
    progress: Callable[[], Awaitable[float]] | None = None,
    everything: bool = False,
) -> Turn:
    """Measure until there are `number` outgoing events, or time is up. The first `warm_up` events don't count.

    `progress` counts other things than outgoing events. With `everything`, the servers' processor time counts, too.
    """
    count = progress or partial(servers.depth, OUTGOING)
    processes = partial(process_tree, os.getpid() if everything else process.pid)
    async with asyncio.timeout(60):
        while (first := await count()) <= warm_up:
            if _ended(process):
                raise RuntimeError("the contender ended before its first event")
            await asyncio.sleep(0.01)
    began, used = time.perf_counter(), cpu_s(processes())
    seen, at = first, began
    while seen < number and at - began < at_most_s:
        await asyncio.sleep(0.02)
        seen, at = await count(), time.perf_counter()
    return Turn(seen - first, at - began, cpu_s(processes()) - used)


def _ended(process: Process) -> bool:
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
