"""Lists the benchmarks by name, and runs them."""

from collections.abc import Awaitable, Callable, Sequence

from tests.benchmarks.backfill import backfill
from tests.benchmarks.figures import Figure, note
from tests.benchmarks.growth import growth
from tests.benchmarks.hop import hop, hop_update
from tests.benchmarks.latency import latency
from tests.benchmarks.memory import memory
from tests.benchmarks.pipeline import pipeline
from tests.benchmarks.scale import scale
from tests.benchmarks.servers import Servers, start_servers
from tests.benchmarks.size import Size

BENCHMARKS: dict[str, Callable[[Servers, Size], Awaitable[Figure]]] = {
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
    """Run these benchmarks one after the other, on servers that are started for them."""
    figures = {}
    async with start_servers() as servers:
        for name in names:
            note(f"{name}: {(BENCHMARKS[name].__doc__ or '').strip()}")
            figures[name] = await BENCHMARKS[name](servers, size)
    return figures
