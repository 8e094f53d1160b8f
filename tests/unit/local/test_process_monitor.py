"""The process monitor keeps a part in the state that was requested."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infra.stack.backoff import Backoff
from infra.stack.errors import LocalError, NotReady
from infra.stack.process_monitor import ProcessMonitor, State


class FakeProcess:
    """A fake process that ends when a test tells it to."""

    pid = 1

    def __init__(self) -> None:
        self.end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.paused = False

    async def wait(self) -> int:
        return await asyncio.shield(self.end)

    def kill(self) -> None:
        self._end(-9)

    async def stop(self) -> None:
        self._end(0)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def _end(self, code: int) -> None:
        if not self.end.done():
            self.end.set_result(code)


class FakePart:
    """A fake part that lists its processes. It may fail to become ready."""

    name = "part"

    def __init__(self) -> None:
        self.processes: list[FakeProcess] = []
        self.refusals = 0

    async def launch(self) -> FakeProcess:
        self.processes.append(FakeProcess())
        return self.processes[-1]

    async def wait_until_ready(self, running: object) -> None:
        if self.refusals:
            self.refusals -= 1
            raise NotReady("It does not answer.", "See its log")


@pytest.fixture
def part() -> FakePart:
    return FakePart()


@pytest.fixture
async def monitor(part: FakePart) -> AsyncIterator[ProcessMonitor]:
    monitor = ProcessMonitor(part, on_change=lambda: None, backoff=Backoff(base_s=0.01))
    yield monitor
    await monitor.close()


async def test_a_part_does_not_start_before_it_is_requested(part: FakePart, monitor: ProcessMonitor) -> None:
    await asyncio.sleep(0)
    assert not part.processes
    assert monitor.status.state is State.STOPPED


async def test_a_crashed_part_is_restarted(part: FakePart, monitor: ProcessMonitor) -> None:
    monitor.start()
    await monitor.wait_until_ready()
    part.processes[0].end.set_result(1)
    while len(part.processes) < 2:
        await asyncio.sleep(0)
    await monitor.wait_until_ready()
    assert monitor.status.restarts == 1
    assert monitor.status.state is State.READY


async def test_a_killed_part_stays_down_until_it_is_started(part: FakePart, monitor: ProcessMonitor) -> None:
    monitor.start()
    await monitor.wait_until_ready()
    await monitor.kill()
    await asyncio.sleep(0.05)  # longer than the delay after a crash
    assert monitor.status.state is State.KILLED
    assert len(part.processes) == 1
    monitor.start()
    await monitor.wait_until_ready()
    assert (len(part.processes), monitor.status.restarts) == (2, 0)


async def test_a_part_that_does_not_become_ready_is_restarted(part: FakePart, monitor: ProcessMonitor) -> None:
    part.refusals = 2
    monitor.start()
    async with asyncio.timeout(5):
        await monitor.wait_until_ready()
    assert [process.end.done() for process in part.processes] == [True, True, False]


async def test_a_part_that_waits_for_its_restart_can_be_killed_and_started_at_once(part: FakePart) -> None:
    monitor = ProcessMonitor(part, on_change=lambda: None, backoff=Backoff(base_s=3600))
    part.refusals = 1
    monitor.start()
    while monitor.status.state is not State.CRASHED:
        await asyncio.sleep(0)
    assert "does not answer" in monitor.status.why
    async with asyncio.timeout(5):
        await monitor.kill()
        monitor.start()
        await monitor.wait_until_ready()
    await monitor.close()


async def test_stopping_is_graceful(part: FakePart, monitor: ProcessMonitor) -> None:
    monitor.start()
    await monitor.wait_until_ready()
    await monitor.stop()
    assert part.processes[0].end.result() == 0
    assert monitor.status.state is State.STOPPED


async def test_a_paused_part_continues_when_it_is_resumed_or_started(part: FakePart, monitor: ProcessMonitor) -> None:
    monitor.start()
    await monitor.wait_until_ready()
    for continue_part in (monitor.resume, monitor.start):
        monitor.pause()
        assert (part.processes[0].paused, monitor.status.state) == (True, State.PAUSED)
        continue_part()
        assert (part.processes[0].paused, monitor.status.state) == (False, State.READY)
    assert len(part.processes) == 1


async def test_a_paused_part_is_resumed_before_it_is_stopped(part: FakePart, monitor: ProcessMonitor) -> None:
    monitor.start()
    await monitor.wait_until_ready()
    monitor.pause()
    await monitor.stop()
    assert not part.processes[0].paused
    assert monitor.status.state is State.STOPPED


async def test_a_stopped_part_cannot_be_paused(part: FakePart, monitor: ProcessMonitor) -> None:
    with pytest.raises(LocalError, match="cannot be paused"):
        monitor.pause()


async def test_waiting_for_readiness_can_be_limited_to_some_attempts(part: FakePart, monitor: ProcessMonitor) -> None:
    part.refusals = 100
    monitor.start()
    async with asyncio.timeout(10):
        with pytest.raises(NotReady, match=r"^part did not start in 3 attempts\. It does not answer\. See its log$"):
            await monitor.wait_until_ready(3)
    part.refusals = 0
    async with asyncio.timeout(10):
        await monitor.wait_until_ready(3)


async def test_earlier_crashes_do_not_count_for_a_later_wait(part: FakePart, monitor: ProcessMonitor) -> None:
    part.refusals = 2
    monitor.start()
    async with asyncio.timeout(10):
        await asyncio.gather(monitor.wait_until_ready(3), monitor.wait_until_ready(3), monitor.wait_until_ready())
