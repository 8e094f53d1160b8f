"""The gate lets handlers run side by side, but a suspected poison message alone."""

import asyncio

from marketplace_runtime.consumer import RunAloneGate


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_many_can_be_inside_at_once() -> None:
    gate = RunAloneGate()
    async with asyncio.timeout(1):
        for _ in range(5):
            await gate.enter()


async def test_nothing_enters_while_one_is_alone() -> None:
    gate, inside = RunAloneGate(), asyncio.Event()

    async def enter() -> None:
        await gate.enter()
        inside.set()

    async with gate.alone():
        entering = asyncio.create_task(enter())
        await turns()
        assert not inside.is_set()
    async with asyncio.timeout(1):
        await entering


async def test_one_is_alone_only_after_all_have_left() -> None:
    gate, alone = RunAloneGate(), asyncio.Event()

    async def run_alone() -> None:
        async with gate.alone():
            alone.set()

    await gate.enter()
    gate.enter_without_waiting()
    waiting = asyncio.create_task(run_alone())
    gate.leave()
    await turns()
    assert not alone.is_set()
    gate.leave()
    async with asyncio.timeout(1):
        await waiting


async def test_two_are_alone_one_after_the_other() -> None:
    gate, inside, most = RunAloneGate(), 0, 0

    async def run_alone() -> None:
        nonlocal inside, most
        async with gate.alone():
            inside += 1
            most = max(most, inside)
            await turns()
            inside -= 1

    async with asyncio.timeout(1):
        await asyncio.gather(*(run_alone() for _ in range(4)))
    assert most == 1


async def test_a_cancelled_wait_to_be_alone_leaves_the_gate_open() -> None:
    gate = RunAloneGate()
    await gate.enter()

    async def run_alone() -> None:
        async with gate.alone():
            raise AssertionError("another task was still inside")

    waiting = asyncio.create_task(run_alone())
    await turns()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        await gate.enter()
