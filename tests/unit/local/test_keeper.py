"""A part lives as people want it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infra.stack.backoff import Backoff
from infra.stack.errors import LocalError, NotReady
from infra.stack.process_monitor import ProcessMonitor, State


class Life:
    """A life that ends when it is told to."""

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
    """Counts its lives; may refuse to become ready."""

    name = "part"

    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.refusals = 0

    async def launch(self) -> Life:
        self.lives.append(Life())
        return self.lives[-1]

    async def ready(self, running: object) -> None:
        if self.refusals:
            self.refusals -= 1
            raise NotReady("It does not answer.", "See its log")


@pytest.fixture
def part() -> FakePart:
    return FakePart()


@pytest.fixture
async def keeper(part: FakePart) -> AsyncIterator[ProcessMonitor]:
    keeper = ProcessMonitor(part, changed=lambda: None, backoff=Backoff(base_s=0.01))
    yield keeper
    await keeper.close()


async def test_nothing_starts_before_it_is_wanted(part: FakePart, keeper: ProcessMonitor) -> None:
    await asyncio.sleep(0)
    assert not part.lives
    assert keeper.condition.state is State.STOPPED


async def test_what_ends_by_itself_starts_again(part: FakePart, keeper: ProcessMonitor) -> None:
    keeper.start()
    await keeper.until_ready()
    part.lives[0].end.set_result(1)
    while len(part.lives) < 2:
        await asyncio.sleep(0)
    await keeper.until_ready()
    assert keeper.condition.restarts == 1
    assert keeper.condition.state is State.READY


async def test_what_was_killed_stays_down_until_it_is_started(part: FakePart, keeper: ProcessMonitor) -> None:
    keeper.start()
    await keeper.until_ready()
    await keeper.kill()
    await asyncio.sleep(0.05)  # longer than it waits after a crash
    assert keeper.condition.state is State.KILLED
    assert len(part.lives) == 1
    keeper.start()
    await keeper.until_ready()
    assert (len(part.lives), keeper.condition.restarts) == (2, 0)


async def test_what_does_not_become_ready_is_ended_and_tried_again(part: FakePart, keeper: ProcessMonitor) -> None:
    part.refusals = 2
    keeper.start()
    async with asyncio.timeout(5):
        await keeper.until_ready()
    assert [life.end.done() for life in part.lives] == [True, True, False]


async def test_a_part_that_waits_after_a_crash_can_be_killed_and_started_at_once(part: FakePart) -> None:
    keeper = ProcessMonitor(part, changed=lambda: None, backoff=Backoff(base_s=3600))
    part.refusals = 1
    keeper.start()
    while keeper.condition.state is not State.CRASHED:
        await asyncio.sleep(0)
    assert "does not answer" in keeper.condition.why
    async with asyncio.timeout(5):
        await keeper.kill()
        keeper.start()
        await keeper.until_ready()
    await keeper.close()


async def test_stopping_is_graceful(part: FakePart, keeper: ProcessMonitor) -> None:
    keeper.start()
    await keeper.until_ready()
    await keeper.stop()
    assert part.lives[0].end.result() == 0
    assert keeper.condition.state is State.STOPPED


async def test_what_is_paused_goes_on_when_it_is_resumed_or_started(part: FakePart, keeper: ProcessMonitor) -> None:
    keeper.start()
    await keeper.until_ready()
    for go_on in (keeper.resume, keeper.start):
        keeper.pause()
        assert (part.lives[0].paused, keeper.condition.state) == (True, State.PAUSED)
        go_on()
        assert (part.lives[0].paused, keeper.condition.state) == (False, State.READY)
    assert len(part.lives) == 1


async def test_what_is_paused_is_resumed_before_it_is_stopped(part: FakePart, keeper: ProcessMonitor) -> None:
    keeper.start()
    await keeper.until_ready()
    keeper.pause()
    await keeper.stop()
    assert not part.lives[0].paused
    assert keeper.condition.state is State.STOPPED


async def test_what_does_not_run_cannot_be_paused(part: FakePart, keeper: ProcessMonitor) -> None:
    with pytest.raises(LocalError, match="cannot be paused"):
        keeper.pause()


async def test_who_waits_may_give_up_after_some_attempts(part: FakePart, keeper: ProcessMonitor) -> None:
    part.refusals = 100
    keeper.start()
    async with asyncio.timeout(10):
        with pytest.raises(NotReady, match=r"^part did not start in 3 attempts\. It does not answer\. See its log$"):
            await keeper.until_ready(3)
    part.refusals = 0
    async with asyncio.timeout(10):
        await keeper.until_ready(3)


async def test_one_who_waits_hears_nothing_of_crashes_before(part: FakePart, keeper: ProcessMonitor) -> None:
    part.refusals = 2
    keeper.start()
    async with asyncio.timeout(10):
        await asyncio.gather(keeper.until_ready(3), keeper.until_ready(3), keeper.until_ready())
