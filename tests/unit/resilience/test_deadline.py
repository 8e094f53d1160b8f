"""A deadline applies to everything called within it, and can only be shortened."""

import asyncio

import pytest

from marketplace_runtime.resilience import (
    Bulkhead,
    BulkheadFull,
    DeadlineExceeded,
    NoTimeLeft,
    cap_to_deadline,
    remaining_s,
    within,
)

LONG_S = 60.0


async def for_ever() -> None:
    await asyncio.Event().wait()


def left() -> float:
    seconds = remaining_s()
    assert seconds is not None
    return seconds


async def test_work_is_cancelled_at_its_deadline() -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(0.01):
            await for_ever()
    assert remaining_s() is None


async def test_remaining_time_decreases_within_a_deadline() -> None:
    assert remaining_s() is None
    async with within(LONG_S):
        assert 0 < left() <= LONG_S
        before = left()
        await asyncio.sleep(0.01)
        assert left() < before
    assert remaining_s() is None


async def test_a_deadline_of_none_does_not_change_an_outer_one() -> None:
    async with within(None):
        assert remaining_s() is None
    async with within(LONG_S), within(None):
        assert left() <= LONG_S


async def test_an_inner_deadline_is_never_later_than_the_outer_one() -> None:
    async with within(LONG_S):
        async with within(10 * LONG_S):
            assert left() <= LONG_S
        async with within(LONG_S / 2):
            assert left() <= LONG_S / 2
        assert left() > LONG_S / 2


@pytest.mark.parametrize(("outer", "inner"), [(LONG_S, 0.01), (0.01, LONG_S)])
async def test_the_earlier_of_two_deadlines_applies(outer: float, inner: float) -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(outer), within(inner):
            await for_ever()
    await asyncio.sleep(0)  # a leftover cancellation would be raised here


async def test_an_inner_deadline_that_passed_leaves_the_outer_one_unchanged() -> None:
    async with within(LONG_S):
        with pytest.raises(DeadlineExceeded):
            async with within(0.01):
                await for_ever()
        await asyncio.sleep(0)
        assert left() > LONG_S / 2


async def test_a_task_inherits_the_deadline_and_is_cancelled_at_it() -> None:
    async def work() -> None:
        async with within(LONG_S):
            await for_ever()

    async with within(0.01):
        working = asyncio.create_task(work())
    with pytest.raises(DeadlineExceeded):  # although nothing cancels the task
        await working


@pytest.mark.parametrize("seconds", [0, -1])
async def test_without_time_left_the_work_is_not_begun(seconds: float) -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(seconds):
            pytest.fail("it was begun")


async def test_other_timeouts_and_cancellations_are_not_reported_as_the_deadline() -> None:
    with pytest.raises(TimeoutError) as raised:
        async with within(LONG_S):
            raise TimeoutError
    assert not isinstance(raised.value, DeadlineExceeded)

    async def work() -> None:
        async with within(LONG_S):
            await for_ever()

    cancelled = asyncio.create_task(work())
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_a_timeout_of_a_step_is_limited_to_the_remaining_time() -> None:
    assert cap_to_deadline(3.0) == 3.0
    assert cap_to_deadline(0.5, min_s=1.0) == 0.5
    async with within(LONG_S):
        assert cap_to_deadline(3.0) == 3.0
        assert LONG_S / 2 < cap_to_deadline(10 * LONG_S) < left()
        with pytest.raises(NoTimeLeft):
            cap_to_deadline(10 * LONG_S, min_s=LONG_S)
        assert cap_to_deadline(3.0, min_s=LONG_S) == 3.0


async def test_waiting_for_a_bulkhead_ends_before_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace_runtime.resilience.deadline.RESERVE_S", LONG_S)
    bulkhead = Bulkhead("deadline", 1, max_wait_s=2 * LONG_S)
    async with bulkhead:
        for seconds in (LONG_S / 2, LONG_S + 0.01):  # less than the reserve, and a little more
            with pytest.raises(BulkheadFull):
                async with within(seconds), bulkhead:
                    pytest.fail("the call was made")
