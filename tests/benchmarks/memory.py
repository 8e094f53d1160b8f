"""`memory`: whether a service grows with the number of waiting events."""

import asyncio

from tests.benchmarks.contender import MARKETPLACE, measure, resident_mb, running
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.servers import Servers
from tests.benchmarks.size import Size
from tests.benchmarks.work import QUEUE, Work, events_of, order_ids

WARM_UP = 500
SAMPLES, SAMPLE_INTERVAL_S = 25, 0.2


async def memory(servers: Servers, size: Size) -> Figure:
    """Resident size at work with a full queue, and idle after a little work."""
    sizes: dict[str, list[float]] = {"waiting": [], "idle": []}
    for round in range(size.rounds):
        await servers.reset()
        sizes["idle"].append(await idle(servers))
        await servers.send(events_of(order_ids(size.memory_waiting - await servers.depth(QUEUE))))
        sizes["waiting"].append(await busy(servers))
        note(f"round {round + 1}: idle {sizes['idle'][-1]:.1f} MB, waiting {sizes['waiting'][-1]:.1f} MB")
    return figure("MB resident", sizes)


async def idle(servers: Servers) -> float:
    """Return the resident size in MB after a little work."""
    await servers.send(events_of(order_ids(WARM_UP)))
    async with running(MARKETPLACE, servers, Work.INSERT) as process:
        await measure(process, servers, WARM_UP, at_most_s=30)
        return resident_mb(process.pid)


async def busy(servers: Servers) -> float:
    """Return the largest of many samples of the resident size in MB, during work."""
    async with running(MARKETPLACE, servers, Work.INSERT) as process:
        await measure(process, servers, WARM_UP, at_most_s=30)
        largest = 0.0
        for _ in range(SAMPLES):
            largest = max(largest, resident_mb(process.pid))
            await asyncio.sleep(SAMPLE_INTERVAL_S)
        return largest
