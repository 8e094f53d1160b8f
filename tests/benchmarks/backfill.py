"""`backfill`: how fast a subscription that comes late is fed from the log, and what that takes."""

import asyncio
from collections.abc import Awaitable
from functools import partial

from tests.benchmarks.contender import BACKFILLED, MARKETPLACE, Contender, Turn, resident_mb, running, watch
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.memory import idle
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work, events_of, order_ids
from tests.benchmarks.world import World

LOOK_S, COUNT_S = 0.2, 0.5
"""Rarely, since counting takes processor time, too."""
AT_MOST_S = 400
HANDLED = "select count(*) from messaging.inbox"
STATE = "select count(*), md5(string_agg(o::text, ',' order by order_id)) from orders o"


async def backfill(world: World, size: Size) -> Figure:
    """The log to the state of a consumer that was there from the start: which is measured first, with a full queue."""
    rates: dict[str, list[float]] = {"backfill": [], "live": []}
    sizes: dict[str, list[float]] = {"backfill": [], "live": [], "idle": []}
    for round in range(size.rounds):
        await world.forget_history()
        await world.reset()
        sizes["idle"].append(await idle(world))
        await world.forget_history()
        await world.reset()
        await world.send(events_of(order_ids(size.said)))
        states = []
        for name, contender in (("live", MARKETPLACE), ("backfill", BACKFILLED)):
            seen, largest = await turn(contender, world, size)
            rates[name].append(seen.rate)
            sizes[name].append(largest)
            states.append(tuple(await world.sql.fetchrow(STATE)))
            note(f"round {round + 1}: {name} {seen.rate:,.0f} events/s, at most {largest:.1f} MB resident")
            await world.reset()
        note(f"round {round + 1}: idle {sizes['idle'][-1]:.1f} MB resident")
        if states[0] != states[1] or states[0][0] != size.said:
            raise AssertionError(f"the late one did not end as the early one: {states}")
    return figure("events/s", rates, {"MB resident": sizes})


async def turn(contender: Contender, world: World, size: Size) -> tuple[Turn, float]:
    """Everything handled once, and the largest size of the process meanwhile."""
    async with running(contender, world, Work.INSERT) as process:
        watching = asyncio.create_task(
            watch(process, world, size.said, at_most_s=AT_MOST_S, warm_up=size.warm_up, progress=partial(_count, world))
        )
        largest = await _largest(process.pid, watching)
        return await watching, largest


async def _largest(pid: int, until: Awaitable[object]) -> float:
    largest, done = 0.0, asyncio.ensure_future(until)
    while not done.done():
        largest = max(largest, resident_mb(pid))
        await asyncio.sleep(LOOK_S)
    return largest


async def _count(world: World) -> float:
    await asyncio.sleep(COUNT_S)
    return float(await world.sql.fetchval(HANDLED))
