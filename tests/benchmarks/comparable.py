"""Runs each benchmark without its peers, round by round, and reduces it to one figure, to compare two revisions."""

import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tests.benchmarks import backfill, growth, hop, latency, memory, pipeline, scale
from tests.benchmarks.contender import BACKFILLED, MARKETPLACE
from tests.benchmarks.servers import Servers
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work, events_of, order_ids

Round = Callable[[], Awaitable[float]]
"""Prepares what all rounds share."""
Rounds = Callable[[Servers, Size], AbstractAsyncContextManager[Round]]
"""Prepares what all rounds share."""


@dataclass(frozen=True)
class ComparableBenchmark:
    """One benchmark, reduced to one figure per round."""

    rounds: Rounds
    unit: str
    """The unit of the figure. More is better of a rate, which ends in `/s`; of all other figures less is better."""
    cost: str
    """The quantity of which less is better: the figure, or the inverse of a rate."""
    worse: str = "slower"
    """The word for a tree that costs more, used when the two trees are compared."""

    def ratio_terms(self, here: list[float], there: list[float]) -> tuple[list[float], list[float]]:
        """Return numerators and denominators of cost here / cost there."""
        return (there, here) if self.unit.endswith("/s") else (here, there)


def _without_preparation(round: Callable[[Servers, Size], Awaitable[float]]) -> Rounds:
    @asynccontextmanager
    async def prepared(servers: Servers, size: Size) -> AsyncIterator[Round]:
        yield lambda: round(servers, size)

    return prepared


async def _hop(servers: Servers, size: Size) -> float:
    return (await hop.turn(MARKETPLACE, servers, Work.INSERT, size)).rate


async def _hop_update(servers: Servers, size: Size) -> float:
    return (await hop.turn(MARKETPLACE, servers, Work.UPDATE, size)).rate


async def _latency(servers: Servers, size: Size) -> float:
    return statistics.median(await latency.turn(MARKETPLACE, servers, size.lone))


async def _memory(servers: Servers, size: Size) -> float:
    """Return the size of a process with a full queue."""
    await servers.reset()
    await servers.send(events_of(order_ids(size.memory_waiting)))
    return await memory.busy(servers)


async def _scale(servers: Servers, size: Size) -> float:
    """Return the processor time per event with the largest number of replicas."""
    return (await scale.turn(max(scale.REPLICAS), servers, size)).cpu_us


async def _backfill(servers: Servers, size: Size) -> float:
    await servers.forget_history()
    await servers.reset()
    await servers.send(events_of(order_ids(size.past_events)))
    await servers.reset()  # empties the queue; the log keeps the events
    seen, _ = await backfill.turn(BACKFILLED, servers, size)
    return seen.rate


@asynccontextmanager
async def _growth(servers: Servers, size: Size) -> AsyncIterator[Round]:
    """Prepare rounds over all full tables. Their harmonic mean rate is the inverse of the mean time per hop."""
    fills = growth.fills_of(size)
    del fills[growth.EMPTY_TABLES]
    async with growth.filled(servers, fills) as servers_of:

        async def round() -> float:
            return statistics.harmonic_mean(
                [await growth.turn(servers_of[name], fill, size) for name, fill in fills.items()]
            )

        yield round


@asynccontextmanager
async def _pipeline(_: Servers, size: Size) -> AsyncIterator[Round]:
    async with pipeline.a_shop(size.orders) as shop:

        async def round() -> float:
            seen = await shop.deliver_all()
            return seen.hops / seen.seconds

        yield round


COMPARABLE = {
    "hop": ComparableBenchmark(_without_preparation(_hop), "events/s", "time per event"),
    "hop-update": ComparableBenchmark(_without_preparation(_hop_update), "events/s", "time per event"),
    "latency": ComparableBenchmark(_without_preparation(_latency), "ms (p50)", "time from event to event"),
    "pipeline": ComparableBenchmark(_pipeline, "hops/s", "time per hop"),
    "growth": ComparableBenchmark(_growth, "hops/s", "time per hop"),
    "memory": ComparableBenchmark(_without_preparation(_memory), "MB resident", "memory", "larger"),
    "scale": ComparableBenchmark(
        _without_preparation(_scale), "µs CPU per event", "processor time per event", "more expensive"
    ),
    "backfill": ComparableBenchmark(_without_preparation(_backfill), "events/s", "time per event"),
}
