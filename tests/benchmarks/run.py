"""The benchmarks by name, and how they are run."""

from collections.abc import Awaitable, Callable, Sequence

from tests.benchmarks.backfill import backfill
from tests.benchmarks.figures import Figure, note
from tests.benchmarks.growth import growth
from tests.benchmarks.hop import hop, hop_update
from tests.benchmarks.latency import latency
from tests.benchmarks.memory import memory
from tests.benchmarks.pipeline import pipeline
from tests.benchmarks.scale import scale
from tests.benchmarks.size import Size
from tests.benchmarks.world import World, a_world

BENCHMARKS: dict[str, Callable[[World, Size], Awaitable[Figure]]] = {
    "hop": hop,
    "hop-update": hop_update,
    "latency": latency,
    "pipeline": pipeline,
    "growth": growth,
    "memory": memory,
    "scale": scale,
    "backfill": backfill,
}


async def run(names: Sequence[str], size: Size) -> dict[str, Figure]:
    """Run these benchmarks on servers of their own, one after the other."""
    figures = {}
    async with a_world() as world:
        for name in names:
            note(f"{name}: {(BENCHMARKS[name].__doc__ or '').strip()}")
            figures[name] = await BENCHMARKS[name](world, size)
    return figures
