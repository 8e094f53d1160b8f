"""`pipeline`: orders through all five services and the stand-ins, compared with one hop in the same run."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncpg

from tests.benchmarks.contender import MARKETPLACE
from tests.benchmarks.figures import Figure, figure, note
from tests.benchmarks.hop import turn
from tests.benchmarks.servers import Servers
from tests.benchmarks.size import Size
from tests.benchmarks.work import Work
from tests.system.marketplace import Marketplace, Person, Visit

LONG_DEADLINES = {
    "PAYMENT_DEADLINE_S": "900",
    "RESERVATION_DEADLINE_S": "900",
    "SHIPPING_DEADLINE_S": "900",
    "CARRIER_DISPATCH_AFTER_S": "0",
    "CARRIER_DELIVER_AFTER_S": "0",
}
"""Orders are not cancelled because of a backlog, and parcels arrive at once."""
T = TypeVar("T")
PRODUCTS = 40
MAX_CONCURRENT = 16
ENDED = "select count(*) from messages where kind = 'order-delivered' and status = 'sent'"
HANDLED = "select count(*) from messaging.inbox"
BEGUN_WITHIN_S, DONE_WITHIN_S = 60, 600


async def pipeline(servers: Servers, size: Size) -> Figure:
    """Accepted checkouts to delivered and notified; a hop is one committed delivery of an event to a subscription."""
    rates: dict[str, list[float]] = {"pipeline": [], "hop": []}
    orders: dict[str, list[float]] = {"orders/s": [], "hops per order": []}
    async with a_shop(size.orders) as shop:
        for round in range(size.rounds):
            if round % 2:
                rates["hop"].append((await turn(MARKETPLACE, servers, Work.INSERT, size)).rate)
            seen = await shop.deliver_all()
            if not round % 2:
                rates["hop"].append((await turn(MARKETPLACE, servers, Work.INSERT, size)).rate)
            rates["pipeline"].append(seen.hops / seen.seconds)
            orders["orders/s"].append(seen.orders / seen.seconds)
            orders["hops per order"].append(seen.hops / seen.orders)
            note(
                f"round {round + 1}: {seen.orders / seen.seconds:.1f} orders/s of {seen.hops / seen.orders:.1f} hops,"
                f" {rates['pipeline'][-1]:,.0f} hops/s; one hop alone {rates['hop'][-1]:,.0f}/s"
            )
    return figure("hops/s", rates, {"orders": orders})


@dataclass(frozen=True)
class Run:
    """The measurement between the first order in checkout and the last mail."""

    orders: int
    hops: int
    seconds: float


class Shop:
    """A separate marketplace with customers and products, and a connection to each database."""

    def __init__(self, visit: Visit, customers: Sequence[Person], products: Sequence[str]) -> None:
        self._visit, self._customers, self._products = visit, customers, products
        self._connections: dict[str, asyncpg.Connection] = {}

    async def __aenter__(self) -> Self:
        for name, service in self._visit.marketplace.state["services"].items():
            self._connections[name] = await asyncpg.connect(service["database"]["audit"])
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections.values():
            await connection.close()

    async def deliver_all(self) -> Run:
        """Accept a checkout per customer while checkout is stopped. Then start it, and wait for all deliveries."""
        marketplace, number = self._visit.marketplace, len(self._customers)
        await asyncio.to_thread(marketplace.command, "kill", "checkout")
        await _run_limited([self._buy(place) for place in range(number)])
        ended_before, placed_before, hops_before = await self._ended(), await self._placed(), await self._handled()
        starting = asyncio.create_task(asyncio.to_thread(marketplace.command, "start", "checkout"))
        async with asyncio.timeout(BEGUN_WITHIN_S):
            while await self._placed() == placed_before:
                await asyncio.sleep(0.01)
        began = time.perf_counter()
        async with asyncio.timeout(DONE_WITHIN_S):
            while await self._ended() < ended_before + number:
                await asyncio.sleep(0.1)
        seconds = time.perf_counter() - began
        hops = await self._handled() - hops_before
        await starting
        return Run(number, hops, seconds)

    async def _buy(self, place: int) -> None:
        await self._customers[place].check_out(self._products[place % len(self._products)])

    async def _ended(self) -> int:
        return int(await self._connections["notifications"].fetchval(ENDED))

    async def _placed(self) -> int:
        return int(await self._connections["checkout"].fetchval("select count(*) from orders"))

    async def _handled(self) -> int:
        return sum([int(await connection.fetchval(HANDLED)) for connection in self._connections.values()])


@asynccontextmanager
async def a_shop(customers: int) -> AsyncIterator[Shop]:
    """Run a stack with so many customers, and remove it afterwards."""
    async with AsyncExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="marketplace-bench-"))
        Path(home).chmod(0o711)
        marketplace = Marketplace(Path(home), "pipeline")
        marketplace.environment |= LONG_DEADLINES
        stack.callback(marketplace.command, "down", "--volumes")
        marketplace.command("up", "-d")  # a thread would continue after a cancellation
        visit = await stack.enter_async_context(Visit(marketplace))
        products = [product for _, product in [await visit.product(on_hand=10**6) for _ in range(PRODUCTS)]]
        persons = await _run_limited([visit.customer() for _ in range(customers)])
        yield await stack.enter_async_context(Shop(visit, persons, products))


async def _run_limited(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    limit = asyncio.Semaphore(MAX_CONCURRENT)

    async def one(each: Coroutine[Any, Any, T]) -> T:
        async with limit:
            return await each

    return await asyncio.gather(*(one(each) for each in work))
