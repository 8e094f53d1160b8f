"""A bulkhead limits the number of concurrent calls to one callee."""

import asyncio

import pytest

from marketplace_runtime.resilience import Bulkhead, BulkheadFull
from marketplace_runtime.telemetry import exposition


async def test_at_most_the_limit_run_at_once_and_all_calls_run() -> None:
    bulkhead = Bulkhead("turns", 3, max_wait_s=5.0)
    running = most = 0

    async def call() -> None:
        nonlocal running, most
        async with bulkhead:
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(call() for _ in range(20)))
    assert most == 3


async def test_a_call_that_waited_too_long_is_refused_and_holds_no_place() -> None:
    bulkhead = Bulkhead("full", 1, max_wait_s=0.01)
    async with bulkhead:
        assert 'bulkhead_in_use{name="full"} 1.0' in exposition().decode()
        with pytest.raises(BulkheadFull):
            async with bulkhead:
                pytest.fail("the call was made")
    async with bulkhead:
        pass
    assert 'bulkhead_refused_total{name="full"} 1.0' in exposition().decode()


async def test_a_cancelled_wait_holds_no_place() -> None:
    bulkhead = Bulkhead("cancelled", 1, max_wait_s=5.0)

    async def call() -> None:
        async with bulkhead:
            pass

    async with bulkhead:
        waiting = asyncio.create_task(call())
        await asyncio.sleep(0)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(1):
        await call()


async def test_a_call_that_times_out_inside_is_not_mistaken_for_a_full_bulkhead() -> None:
    with pytest.raises(TimeoutError):
        async with Bulkhead("inner", 1):
            raise TimeoutError
