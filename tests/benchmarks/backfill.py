"""`backfill`: how fast the log fills a new subscription, and how much memory that takes."""

import asyncio
from collections.abc import Awaitable
from functools import partial

from tests.benchmarks.contender import BACKFILLED, MARKETPLACE, Contender, Turn, measure, resident_mb, running
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.memory import idle
from tests.benchmarks.servers import Servers
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work, events_of, order_ids

SAMPLE_INTERVAL_S, COUNT_INTERVAL_S = 0.2, 0.5
"""Intervals of sampling. They are long because counting takes processor time, too."""
MAX_TURN_S = 400
HANDLED = "select count(*) from messaging.inbox"
STATE = "select count(*), md5(string_agg(o::text, ',' order by order_id)) from orders o"


async def backfill(servers: Servers, size: Size) -> Figure:
    """Replay of the log to a new subscription, compared with one that had consumed a full queue from the start."""
    rates: dict[str, list[float]] = {"backfill": [], "live": []}
    sizes: dict[str, list[float]] = {"backfill": [], "live": [], "idle": []}
    for round in range(size.rounds):
        await servers.forget_history()
        await servers.reset()
        sizes["idle"].append(await idle(servers))
        await servers.forget_history()
        await servers.reset()
        await servers.send(events_of(order_ids(size.past_events)))
        states = []
        for name, contender in (("live", MARKETPLACE), ("backfill", BACKFILLED)):
            seen, largest = await turn(contender, servers, size)
            rates[name].append(seen.rate)
            sizes[name].append(largest)
            states.append(tuple(await servers.sql.fetchrow(STATE)))
            note(f"round {round + 1}: {name} {seen.rate:,.0f} events/s, at most {largest:.1f} MB resident")
            await servers.reset()
        note(f"round {round + 1}: idle {sizes['idle'][-1]:.1f} MB resident")
        if states[0] != states[1] or states[0][0] != size.past_events:
            raise AssertionError(f"the replay did not lead to the same state as live events: {states}")
    return figure("events/s", rates, {"MB resident": sizes})


async def turn(contender: Contender, servers: Servers, size: Size) -> tuple[Turn, float]:
    """Handle every event once. Returns the measurement and the largest size of the process meanwhile."""
    async with running(contender, servers, Work.INSERT) as process:
        measuring = asyncio.create_task(
            measure(
                process,
                servers,
                size.past_events,
                at_most_s=MAX_TURN_S,
                warm_up=size.warm_up,
                progress=partial(_count, servers),
            )
        )
        largest = await _largest(process.pid, measuring)
        return await measuring, largest


async def _largest(pid: int, until: Awaitable[object]) -> float:
    largest, done = 0.0, asyncio.ensure_future(until)
    while not done.done():
        largest = max(largest, resident_mb(pid))
        await asyncio.sleep(SAMPLE_INTERVAL_S)
    return largest


async def _count(servers: Servers) -> float:
    await asyncio.sleep(COUNT_INTERVAL_S)
    return float(await servers.sql.fetchval(HANDLED))
