"""A process derives the database's time from readings and a monotonic clock, without the machine's time of day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marketplace_runtime.database import clock as clocks
from marketplace_runtime.database import time_of
from marketplace_runtime.database.clock import Clock

TINY = timedelta(microseconds=10)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class FakeDatabase:
    """A database whose clock is `ahead` of noon. An answer takes `takes_s`."""

    def __init__(self) -> None:
        self.monotonic, self.ahead, self.takes_s = 100.0, timedelta(0), 0.0

    async def execute(self, statement: str) -> list[Any]:
        self.monotonic += self.takes_s / 2
        time = self.time
        self.monotonic += self.takes_s / 2
        return [(time,)]

    @property
    def time(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic) + self.ahead


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    database = FakeDatabase()
    monkeypatch.setattr(clocks, "monotonic", lambda: database.monotonic)
    return database


async def read(clock: Clock, database: FakeDatabase, takes_s: float) -> timedelta:
    """Return the error of the clock after a reading of the given duration."""
    database.takes_s = takes_s
    await clock.read(database)  # type: ignore[arg-type]
    return abs(clock.now() - database.time)


async def test_the_clock_is_the_machine_s_until_the_first_reading() -> None:
    assert abs(Clock().now() - datetime.now(UTC)) < timedelta(seconds=1)


async def test_the_clock_continues_between_readings(database: FakeDatabase) -> None:
    clock = Clock()
    assert await read(clock, database, 0.002) < TINY
    database.monotonic += 3600
    assert abs(clock.now() - database.time) < TINY


async def test_a_slow_answer_does_not_replace_a_more_precise_one(database: FakeDatabase) -> None:
    clock = Clock()
    await read(clock, database, 0.001)
    database.ahead = timedelta(seconds=0.4)  # looks like an answer that was slow only on its way back
    assert await read(clock, database, 1.0) > timedelta(seconds=0.39)
    assert await read(clock, database, 0.001) < TINY


@pytest.mark.parametrize("step_s", [-90, 90])
@pytest.mark.parametrize("takes_s", [0.004, 1.0])
async def test_a_change_of_the_database_s_clock_is_followed_at_once(
    database: FakeDatabase, step_s: float, takes_s: float
) -> None:
    clock = Clock()
    await read(clock, database, 0.001)
    database.ahead = timedelta(seconds=step_s)
    database.monotonic += 1
    assert await read(clock, database, takes_s) < TINY


async def test_ids_follow_a_clock_that_was_set_back_by_hours(database: FakeDatabase) -> None:
    clock = Clock()
    await read(clock, database, 0)
    clock.new_id()
    database.ahead = timedelta(hours=-2)
    await read(clock, database, 0)
    assert abs(time_of(clock.new_id()) - database.time) < timedelta(seconds=0.002)


async def test_ids_have_the_clock_s_time_and_ascend_across_readings(database: FakeDatabase) -> None:
    clock = Clock()
    ids = []
    for step_s in (0, 0, 0.001, -0.5, 0, 2):
        database.ahead += timedelta(seconds=step_s)
        await read(clock, database, 0)
        ids += [clock.new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert abs(time_of(ids[-1]) - database.time) < timedelta(seconds=0.002)
    assert {id.version for id in ids} == {7}
