"""The database's clock, as a process knows it: from readings, and without its own time of day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marketplace_runtime.database import clock as clocks
from marketplace_runtime.database import time_of
from marketplace_runtime.database.clock import Clock

TINY = timedelta(microseconds=10)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class World:
    """A database whose clock is `ahead` of noon, and answers as slowly as it is told to."""

    def __init__(self) -> None:
        self.monotonic, self.ahead, self.takes_s = 100.0, timedelta(0), 0.0

    async def execute(self, statement: str) -> list[Any]:
        self.monotonic += self.takes_s / 2
        told = self.time
        self.monotonic += self.takes_s / 2
        return [(told,)]

    @property
    def time(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic) + self.ahead


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(clocks, "monotonic", lambda: world.monotonic)
    return world


async def read(clock: Clock, world: World, takes_s: float) -> timedelta:
    """How wrong the clock is after a reading that takes so long."""
    world.takes_s = takes_s
    await clock.read(world)  # type: ignore[arg-type]
    return abs(clock.now() - world.time)


async def test_it_is_the_machines_until_it_was_read() -> None:
    assert abs(Clock().now() - datetime.now(UTC)) < timedelta(seconds=1)


async def test_it_goes_on_by_itself(world: World) -> None:
    clock = Clock()
    assert await read(clock, world, 0.002) < TINY
    world.monotonic += 3600
    assert abs(clock.now() - world.time) < TINY


async def test_a_slow_answer_does_not_replace_a_better_one(world: World) -> None:
    clock = Clock()
    await read(clock, world, 0.001)
    world.ahead = timedelta(seconds=0.4)  # an answer that took its time only on the way back looks like this
    assert await read(clock, world, 1.0) > timedelta(seconds=0.39)
    assert await read(clock, world, 0.001) < TINY


@pytest.mark.parametrize("step_s", [-90, 90])
@pytest.mark.parametrize("takes_s", [0.004, 1.0])
async def test_a_database_whose_clock_was_set_is_followed_at_once(world: World, step_s: float, takes_s: float) -> None:
    clock = Clock()
    await read(clock, world, 0.001)
    world.ahead = timedelta(seconds=step_s)
    world.monotonic += 1
    assert await read(clock, world, takes_s) < TINY


async def test_ids_follow_a_clock_that_was_set_back_by_much(world: World) -> None:
    clock = Clock()
    await read(clock, world, 0)
    clock.new_id()
    world.ahead = timedelta(hours=-2)
    await read(clock, world, 0)
    assert abs(time_of(clock.new_id()) - world.time) < timedelta(seconds=0.002)


async def test_ids_are_of_its_time_and_in_order_whatever_is_read(world: World) -> None:
    clock = Clock()
    ids = []
    for step_s in (0, 0, 0.001, -0.5, 0, 2):
        world.ahead += timedelta(seconds=step_s)
        await read(clock, world, 0)
        ids += [clock.new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert abs(time_of(ids[-1]) - world.time) < timedelta(seconds=0.002)
    assert {id.version for id in ids} == {7}
