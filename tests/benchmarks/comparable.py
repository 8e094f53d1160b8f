"""Each benchmark without its peers, a round at a time, as one figure by which two revisions are compared."""

import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tests.benchmarks import backfill, growth, hop, latency, memory, pipeline, scale
from tests.benchmarks.contender import BACKFILLED, MARKETPLACE
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work, events_of, order_ids
from tests.benchmarks.world import World

Round = Callable[[], Awaitable[float]]
"""Runs one round and returns its figure."""
Rounds = Callable[[World, Size], AbstractAsyncContextManager[Round]]
"""Prepares what all rounds share."""


@dataclass(frozen=True)
class Alone:
    """One benchmark, reduced to one figure per round."""

    rounds: Rounds
    unit: str
    """Of the figure. One that ends in `/s` is a rate, of which more is better; of all others less is better."""
    cost: str
    """The quantity of which less is better: the figure, or the inverse of a rate."""
    worse: str = "slower"
    """The word for a tree that costs more, in the sentence that compares the two."""

    def ratio_terms(self, here: list[float], there: list[float]) -> tuple[list[float], list[float]]:
        """Return numerators and denominators of cost here / cost there."""
        return (there, here) if self.unit.endswith("/s") else (here, there)


def _without_preparation(round: Callable[[World, Size], Awaitable[float]]) -> Rounds:
    @asynccontextmanager
    async def prepared(world: World, size: Size) -> AsyncIterator[Round]:
        yield lambda: round(world, size)

    return prepared


async def _hop(world: World, size: Size) -> float:
    return (await hop.turn(MARKETPLACE, world, Work.INSERT, size)).rate


async def _hop_update(world: World, size: Size) -> float:
    return (await hop.turn(MARKETPLACE, world, Work.UPDATE, size)).rate


async def _latency(world: World, size: Size) -> float:
    return statistics.median(await latency.turn(MARKETPLACE, world, size.lone))


async def _memory(world: World, size: Size) -> float:
    """With a full queue."""
    await world.reset()
    await world.send(events_of(order_ids(size.memory_waiting)))
    return await memory.busy(world)


async def _scale(world: World, size: Size) -> float:
    """With the most replicas."""
    return (await scale.turn(max(scale.REPLICAS), world, size)).cpu_us


async def _backfill(world: World, size: Size) -> float:
    await world.forget_history()
    await world.reset()
    await world.send(events_of(order_ids(size.said)))
    await world.reset()  # the queue is empty again; the log keeps the events
    seen, _ = await backfill.turn(BACKFILLED, world, size)
    return seen.rate


@asynccontextmanager
async def _growth(world: World, size: Size) -> AsyncIterator[Round]:
    """With each of the full tables in turn; the harmonic mean of the rates is the inverse of the mean time per hop."""
    fills = growth.fills_of(size)
    del fills[growth.EMPTY_TABLES]
    async with growth.filled(world, fills) as worlds:

        async def round() -> float:
            return statistics.harmonic_mean(
                [await growth.turn(worlds[name], fill, size) for name, fill in fills.items()]
            )

        yield round


@asynccontextmanager
async def _pipeline(_: World, size: Size) -> AsyncIterator[Round]:
    async with pipeline.a_shop(size.orders) as shop:

        async def round() -> float:
            seen = await shop.deliver_all()
            return seen.hops / seen.seconds

        yield round


ALONE = {
    "hop": Alone(_without_preparation(_hop), "events/s", "time per event"),
    "hop-update": Alone(_without_preparation(_hop_update), "events/s", "time per event"),
    "latency": Alone(_without_preparation(_latency), "ms (p50)", "time from event to event"),
    "pipeline": Alone(_pipeline, "hops/s", "time per hop"),
    "growth": Alone(_growth, "hops/s", "time per hop"),
    "memory": Alone(_without_preparation(_memory), "MB resident", "memory", "larger"),
    "scale": Alone(_without_preparation(_scale), "µs CPU per event", "processor time per event", "more expensive"),
    "backfill": Alone(_without_preparation(_backfill), "events/s", "time per event"),
}
