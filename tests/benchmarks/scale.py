"""`scale`: what an event costs when several replicas of a service share the work."""

from contextlib import AsyncExitStack

from tests.benchmarks.contender import MARKETPLACE, Turn, running, watch
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.hop import require_complete
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work, events_of, order_ids
from tests.benchmarks.world import World

REPLICAS = (1, 2, 4)


async def scale(world: World, size: Size) -> Figure:
    """Processor time per event of all that takes part, servers included, with 1, 2 and 4 replicas.

    As in `hop`, all events wait when the replicas begin: they stand still until then, so that none gets ahead.
    """
    names = {replicas: f"{replicas} replica{'s' if replicas > 1 else ''}" for replicas in REPLICAS}
    costs: dict[str, list[float]] = {name: [] for name in names.values()}
    rates: dict[str, list[float]] = {name: [] for name in names.values()}
    for round in range(size.rounds):
        for replicas in REPLICAS if round % 2 == 0 else REPLICAS[::-1]:
            seen = await turn(replicas, world, size)
            costs[names[replicas]].append(seen.cpu_us)
            rates[names[replicas]].append(seen.rate)
            note(f"round {round + 1}: {names[replicas]} {seen.cpu_us:,.0f} µs each, {seen.rate:,.0f} events/s")
    return figure("µs CPU per event", costs, {"events_per_s": rates})


async def turn(replicas: int, world: World, size: Size) -> Turn:
    """All events handled by so many replicas; the processor time includes the servers'."""
    await world.reset()
    messages = events_of(order_ids(size.waiting))
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(running(MARKETPLACE, world, Work.INSERT)) for _ in range(replicas)]
        await world.until_consumed_by(replicas)
        for each in started:
            each.pause()
        await world.send(messages)
        for each in started:
            each.resume()
        warm_up = size.warm_up * replicas
        seen = await watch(started[0], world, size.waiting, at_most_s=120, warm_up=warm_up, everything=True)
    await require_complete(world)
    if (rows := await world.rows()).handled != size.waiting or rows.unpublished:
        raise AssertionError(f"{replicas} replicas did not come to the same result: {rows}")
    return seen
