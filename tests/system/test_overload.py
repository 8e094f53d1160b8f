"""At three times the sustained load the cheapest requests are refused at once, and accepted orders complete."""

import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from typing import TypeVar
from uuid import uuid4

import pytest

from infra.lab.chaos import Site
from tests.system.load import Answered, Client, at_rate, in_turns
from tests.system.marketplace import Person, Visit

T = TypeVar("T")
SHOPPERS, BUYS_A_SECOND = 40, 4
MAX_BUY_SHARE = 0.02
"""The maximal share of checkouts in the sustained rate: on a slow machine fewer customers buy, so that all fit."""
MEASURED_S, OVERLOADED_S = 8.0, 15.0
MIN_REFUSED_SHARE = 0.2
"""The minimal share of reads that must be refused."""
MAX_BYTES, MAX_GROWTH_BYTES = 400e6, 100e6


class Crowd:
    """Customers of one cart service: nine of ten requests read a cart, one changes it; some buy at a steady rate."""

    def __init__(self, client: Client, shoppers: list[Person], buyers: Iterator[Person], product_id: str) -> None:
        self.answers: dict[str, list[Answered]] = defaultdict(list)
        self.orders: list[tuple[Person, str]] = []
        self._client = client
        self._reads = [client.written("GET", f"/carts/{each.subject}", each.headers) for each in shoppers]
        self._changes = [
            client.written("PUT", f"/carts/{each.subject}/items/{product_id}", each.headers, {"quantity": 2})
            for each in shoppers
        ]
        self._buyers = buyers

    async def shop(self, number: int) -> None:
        kind, requests = ("change", self._changes) if number % 10 == 0 else ("read", self._reads)
        self.answers[kind].append(await self._client.request(requests[number // 10 % len(requests)]))

    async def buy(self, _: int) -> None:
        buyer = next(self._buyers)
        headers = buyer.headers | {"Idempotency-Key": str(uuid4())}
        answer = await self._client.request(
            self._client.written("POST", f"/carts/{buyer.subject}/checkout", headers, {}),
        )
        self.answers["checkout"].append(answer)
        if answer.status == 202:
            self.orders.append((buyer, json.loads(answer.body)["order_id"]))


async def overload(crowd: Crowd, rate: float, for_s: float) -> tuple[float, float]:
    """Send requests at `rate`, and raise it while too few are refused: the machine is shared, so that the sustained
    rate may have grown since it was measured. Returns the last rate, and the lowest ratio of achieved to intended."""
    over, least = time.monotonic() + for_s, 1.0
    while time.monotonic() < over:
        seen = len(crowd.answers["read"])
        least = min(least, await at_rate(rate, 1, crowd.shop) / rate)
        if statistics.fmean(each.refused for each in crowd.answers["read"][seen:]) < MIN_REFUSED_SHARE:
            rate *= 1.5
    return rate, least


async def record_largest_memory(site: Site, largest: dict[str, int]) -> None:
    """Record the largest memory of each replica, until cancelled."""
    while True:
        for name, part in (await site.parts()).items():
            if name.partition(".")[0] in site.services and part["rss_bytes"]:
                largest[name] = max(largest.get(name, 0), part["rss_bytes"])
        await asyncio.sleep(0.5)


async def customers_with_carts(visit: Visit, number: int, product_id: str) -> list[Person]:
    people = [await visit.customer() for _ in range(number)]
    for each in people:
        path = f"/carts/{each.subject}/items/{product_id}"
        assert (await each.request("PUT", "cart", path, {"quantity": 1}))[0] == 200
    return people


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_at_three_times_the_load_cheap_requests_are_shed_and_accepted_orders_complete(
    site: Site, visit: Visit
) -> None:
    _, product_id = await visit.product(on_hand=10_000)
    shoppers = await customers_with_carts(visit, SHOPPERS, product_id)
    buyers = iter(await customers_with_carts(visit, round(BUYS_A_SECOND * (MEASURED_S + OVERLOADED_S)), product_id))
    client = Client(visit.base("cart"))
    usual, crowd = (Crowd(client, shoppers, buyers, product_id) for _ in range(2))

    async def run_beside(purchases: Crowd, buys: float, for_s: float, work: Awaitable[T]) -> T:
        done, _ = await asyncio.gather(work, at_rate(buys, for_s, purchases.buy))
        return done

    sustained = await run_beside(usual, BUYS_A_SECOND, MEASURED_S, in_turns(16, MEASURED_S, usual.shop))
    buys = min(BUYS_A_SECOND, sustained * MAX_BUY_SHARE)
    assert {each.status for answers in usual.answers.values() for each in answers} <= {200, 202}
    before: dict[str, int] = {}
    during: dict[str, int] = {}
    watching = asyncio.create_task(record_largest_memory(site, before))
    await asyncio.sleep(1)
    watching.cancel()
    watching = asyncio.create_task(record_largest_memory(site, during))
    rate, kept = await run_beside(crowd, buys, OVERLOADED_S, overload(crowd, 3 * sustained, OVERLOADED_S))
    watching.cancel()
    client.close()

    shed = {kind: statistics.fmean(each.refused for each in answers) for kind, answers in crowd.answers.items()}
    waits = [each.seconds for answers in crowd.answers.values() for each in answers if each.refused]
    served = [each.seconds for answers in crowd.answers.values() for each in answers if not each.refused]
    median, late = statistics.median(waits), statistics.quantiles(waits, n=100)[98]
    megabytes = {name: round(size / 1e6) for name, size in during.items()}
    print(f"sustained {sustained:.0f}/s, finally offered {rate:.0f}/s, shed {shed}, largest {megabytes} MB")
    print(f"refused after {median * 1000:.1f} ms (p99 {late * 1000:.0f} ms), served after", end=" ")
    print(f"{statistics.median(served) * 1000:.0f} ms, orders {len(usual.orders)} + {len(crowd.orders)}")
    assert kept > 2.5 / 3, "the test's client was too slow"
    assert {each.status for answers in crowd.answers.values() for each in answers} <= {200, 202, 503}
    assert shed["read"] > MIN_REFUSED_SHARE
    assert shed["read"] > shed["change"] >= shed["checkout"] == 0
    assert median < 0.1
    assert max(during.values()) < MAX_BYTES
    assert all(size - before[name] < MAX_GROWTH_BYTES for name, size in during.items())
    for buyer, order_id in usual.orders + crowd.orders:
        await buyer.order(order_id, "delivered", within_s=90)
