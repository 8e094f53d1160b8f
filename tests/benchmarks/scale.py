"""`scale`: the cost of an event when several replicas of a service share the work."""

from contextlib import AsyncExitStack

from tests.benchmarks.contender import MARKETPLACE, Turn, measure, running
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.hop import require_complete
from tests.benchmarks.servers import Servers
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work, events_of, order_ids

REPLICAS = (1, 2, 4)


async def scale(servers: Servers, size: Size) -> Figure:
    """Processor time per event of all processes, servers included, with 1, 2 and 4 replicas.

    As in `hop`, all events wait when the replicas begin. These are suspended until then, so that none gets ahead.
    """
    names = {replicas: f"{replicas} replica{'s' if replicas > 1 else ''}" for replicas in REPLICAS}
    costs: dict[str, list[float]] = {name: [] for name in names.values()}
    rates: dict[str, list[float]] = {name: [] for name in names.values()}
    for round in range(size.rounds):
        for replicas in REPLICAS if round % 2 == 0 else REPLICAS[::-1]:
            seen = await turn(replicas, servers, size)
            costs[names[replicas]].append(seen.cpu_us)
            rates[names[replicas]].append(seen.rate)
            note(f"round {round + 1}: {names[replicas]} {seen.cpu_us:,.0f} µs each, {seen.rate:,.0f} events/s")
    return figure("µs CPU per event", costs, {"events_per_s": rates})


async def turn(replicas: int, servers: Servers, size: Size) -> Turn:
    """Let so many replicas handle all events. The processor time includes the servers'."""
    await servers.reset()
    messages = events_of(order_ids(size.waiting))
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(running(MARKETPLACE, servers, Work.INSERT)) for _ in range(replicas)]
        await servers.until_consumed_by(replicas)
        for each in started:
            each.pause()
        await servers.send(messages)
        for each in started:
            each.resume()
        warm_up = size.warm_up * replicas
        seen = await measure(started[0], servers, size.waiting, at_most_s=120, warm_up=warm_up, everything=True)
    await require_complete(servers)
    if (rows := await servers.rows()).handled != size.waiting or rows.unpublished:
        raise AssertionError(f"{replicas} replicas did not handle and publish every event: {rows}")
    return seen
