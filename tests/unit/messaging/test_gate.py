"""Who is suspected of killing the process is alone in it."""

import asyncio

from marketplace_runtime.consumer import RunAloneGate


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_many_are_inside_side_by_side() -> None:
    gate = RunAloneGate()
    async with asyncio.timeout(1):
        for _ in range(5):
            await gate.enter()


async def test_nobody_comes_in_while_one_is_alone() -> None:
    gate, inside = RunAloneGate(), asyncio.Event()

    async def come_in() -> None:
        await gate.enter()
        inside.set()

    async with gate.alone():
        coming = asyncio.create_task(come_in())
        await turns()
        assert not inside.is_set()
    async with asyncio.timeout(1):
        await coming


async def test_one_is_alone_only_after_all_have_left() -> None:
    gate, alone = RunAloneGate(), asyncio.Event()

    async def be_alone() -> None:
        async with gate.alone():
            alone.set()

    await gate.enter()
    gate.join()
    waiting = asyncio.create_task(be_alone())
    gate.leave()
    await turns()
    assert not alone.is_set()
    gate.leave()
    async with asyncio.timeout(1):
        await waiting


async def test_two_are_alone_one_after_the_other() -> None:
    gate, inside, most = RunAloneGate(), 0, 0

    async def be_alone() -> None:
        nonlocal inside, most
        async with gate.alone():
            inside += 1
            most = max(most, inside)
            await turns()
            inside -= 1

    async with asyncio.timeout(1):
        await asyncio.gather(*(be_alone() for _ in range(4)))
    assert most == 1


async def test_who_gives_up_waiting_to_be_alone_leaves_the_gate_open() -> None:
    gate = RunAloneGate()
    await gate.enter()

    async def be_alone() -> None:
        async with gate.alone():
            raise AssertionError("somebody was inside")

    waiting = asyncio.create_task(be_alone())
    await turns()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        await gate.enter()
