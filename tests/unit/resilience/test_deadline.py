"""A deadline goes with the work, and only gets sooner."""

import asyncio

import pytest

from marketplace_runtime.resilience import (
    Bulkhead,
    BulkheadFull,
    DeadlineExceeded,
    NoTimeLeft,
    at_most,
    remaining_s,
    within,
)

AGES = 60.0


async def for_ever() -> None:
    await asyncio.Event().wait()


def left() -> float:
    seconds = remaining_s()
    assert seconds is not None
    return seconds


async def test_what_takes_longer_is_cut_off() -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(0.01):
            await for_ever()
    assert remaining_s() is None


async def test_work_that_is_quick_enough_knows_what_is_left_of_its_time() -> None:
    assert remaining_s() is None
    async with within(AGES):
        assert 0 < left() <= AGES
        before = left()
        await asyncio.sleep(0.01)
        assert left() < before
    assert remaining_s() is None


async def test_no_deadline_is_none_also_within_another() -> None:
    async with within(None):
        assert remaining_s() is None
    async with within(AGES), within(None):
        assert left() <= AGES


async def test_within_a_deadline_there_is_no_later_one() -> None:
    async with within(AGES):
        async with within(10 * AGES):
            assert left() <= AGES
        async with within(AGES / 2):
            assert left() <= AGES / 2
        assert left() > AGES / 2


@pytest.mark.parametrize(("outer", "inner"), [(AGES, 0.01), (0.01, AGES)])
async def test_the_sooner_of_two_holds(outer: float, inner: float) -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(outer), within(inner):
            await for_ever()
    await asyncio.sleep(0)  # and nothing of the cancellation is left


async def test_a_step_that_was_too_slow_leaves_the_rest_of_the_time_to_others() -> None:
    async with within(AGES):
        with pytest.raises(DeadlineExceeded):
            async with within(0.01):
                await for_ever()
        await asyncio.sleep(0)
        assert left() > AGES / 2


async def test_tasks_inherit_it_and_can_be_held_to_it_by_themselves() -> None:
    async def work() -> None:
        async with within(AGES):
            await for_ever()

    async with within(0.01):
        working = asyncio.create_task(work())
    with pytest.raises(DeadlineExceeded):  # though nobody cancels it
        await working


@pytest.mark.parametrize("seconds", [0, -1])
async def test_with_no_time_left_nothing_is_begun(seconds: float) -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(seconds):
            pytest.fail("it was begun")


async def test_a_timeout_and_a_cancellation_of_others_stay_what_they_are() -> None:
    with pytest.raises(TimeoutError) as raised:
        async with within(AGES):
            raise TimeoutError
    assert not isinstance(raised.value, DeadlineExceeded)

    async def work() -> None:
        async with within(AGES):
            await for_ever()

    cancelled = asyncio.create_task(work())
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_a_step_takes_its_own_time_or_what_is_left() -> None:
    assert at_most(3.0) == 3.0
    assert at_most(0.5, least=1.0) == 0.5
    async with within(AGES):
        assert at_most(3.0) == 3.0
        assert AGES / 2 < at_most(10 * AGES) < left()
        with pytest.raises(NoTimeLeft):
            at_most(10 * AGES, least=AGES)
        assert at_most(3.0, least=AGES) == 3.0


async def test_who_waits_for_a_place_waits_no_longer_than_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace_runtime.resilience.deadline.RESERVE_S", AGES)
    bulkhead = Bulkhead("deadline", 1, max_wait_s=2 * AGES)
    async with bulkhead:
        for seconds in (AGES / 2, AGES + 0.01):  # less than the reserve, and a little more
            with pytest.raises(BulkheadFull):
                async with within(seconds), bulkhead:
                    pytest.fail("the call was made")
