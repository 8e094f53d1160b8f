"""`memory`: whether a service grows with what waits for it."""

import asyncio

from tests.benchmarks.contender import MARKETPLACE, resident_mb, running, watch
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.size import Size
from tests.benchmarks.work import QUEUE, Work, events_of, order_ids
from tests.benchmarks.world import World

WARM_UP = 500
LOOKS, LOOK_S = 25, 0.2


async def memory(world: World, size: Size) -> Figure:
    """Resident size at work with a full queue, and idle after a little work."""
    sizes: dict[str, list[float]] = {"waiting": [], "idle": []}
    for round in range(size.rounds):
        await world.reset()
        sizes["idle"].append(await idle(world))
        await world.send(events_of(order_ids(size.memory_waiting - await world.depth(QUEUE))))
        sizes["waiting"].append(await busy(world))
        note(f"round {round + 1}: idle {sizes['idle'][-1]:.1f} MB, waiting {sizes['waiting'][-1]:.1f} MB")
    return figure("MB resident", sizes)


async def idle(world: World) -> float:
    """Resident size after a little work."""
    await world.send(events_of(order_ids(WARM_UP)))
    async with running(MARKETPLACE, world, Work.INSERT) as process:
        await watch(process, world, WARM_UP, at_most_s=30)
        return resident_mb(process.pid)


async def busy(world: World) -> float:
    """The largest of many looks while it works."""
    async with running(MARKETPLACE, world, Work.INSERT) as process:
        await watch(process, world, WARM_UP, at_most_s=30)
        largest = 0.0
        for _ in range(LOOKS):
            largest = max(largest, resident_mb(process.pid))
            await asyncio.sleep(LOOK_S)
        return largest
