"""`run_all` cancels all parts when one of them ends in any way, and raises an error."""

import asyncio

import pytest

from marketplace_runtime.consumer.run_all import run_all


async def for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("the other")


async def fails() -> None:
    raise LookupError("an unexpected failure")


async def returns() -> None: ...


async def is_cancelled_from_within() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(
    ("part", "error"), [(fails, LookupError), (returns, RuntimeError), (is_cancelled_from_within, RuntimeError)]
)
async def test_when_a_part_ends_the_others_are_cancelled_and_an_error_is_raised(
    part: object, error: type[Exception]
) -> None:
    ended: list[str] = []
    assert callable(part)
    with pytest.raises(error):
        async with asyncio.timeout(1):
            await run_all(for_ever(ended), part())
    assert ended == ["the other"]


async def test_a_cancellation_from_outside_cancels_all_parts() -> None:
    ended: list[str] = []
    running = asyncio.create_task(run_all(for_ever(ended), for_ever(ended)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(ended) == 2
