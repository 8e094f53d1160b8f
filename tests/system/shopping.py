"""Runs traffic while parts of the marketplace are killed."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from infra.lab.simulator import Endpoints, Report, Traffic, run_traffic
from infra.stack import read_state
from tests.system.marketplace import Marketplace, Visit, until

RATE, DURATION_S, DRAIN_S = 8.0, 20.0, 90.0


def endpoints(marketplace: Marketplace) -> Endpoints:
    return Endpoints.of(read_state(marketplace.home / marketplace.name / "stack.json"))


@asynccontextmanager
async def shopping(
    marketplace: Marketplace, record: Path, *, duration_s: float = DURATION_S
) -> AsyncIterator["asyncio.Task[Report]"]:
    """Run traffic in the background; the block begins after the first accepted checkouts."""
    traffic = Traffic(RATE, duration_s, seed=7, profile="buyers", drain_s=DRAIN_S, record=record)
    task = asyncio.create_task(run_traffic(endpoints(marketplace), traffic, lambda _: None))
    try:
        await until(accepted_at_least(record, 5), 40)
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def accepted(record: Path) -> int:
    if not record.exists():
        return 0
    return sum(json.loads(line).get("did") == "accept" for line in record.read_text().splitlines())


def accepted_at_least(record: Path, number: int) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return accepted(record) >= number

    return there


async def order(marketplace: Marketplace, *arguments: str) -> None:
    """Run a command of the command line without blocking the traffic."""
    await asyncio.to_thread(marketplace.command, *arguments)


@asynccontextmanager
async def without(marketplace: Marketplace, part: str) -> AsyncIterator[None]:
    """Kill a part for the duration of the block."""
    await order(marketplace, "kill", part)
    try:
        yield
    finally:
        await order(marketplace, "start", part)


async def dispatches(visit: Visit) -> Counter[str]:
    """Count the dispatched parcels of each order at both carriers."""
    found: Counter[str] = Counter()
    for carrier in ("a", "b"):
        async for entry in visit.entries(f"carriers/{carrier}"):
            found[entry["order_id"]] += entry["kind"] == "dispatch"
    return +found
