"""Faults in which time matters: locks and outages longer than any timeout, wrong clocks, lost callbacks.

No order is lost, and none is cancelled that could be fulfilled.
"""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass

import pytest

from infra.lab.chaos import Site
from tests.system.faults import fault_during
from tests.system.marketplace import Person, Visit, until

pytestmark = pytest.mark.slow
STATEMENT_S = 15
"""The statement timeout of services."""
LONGEST_DEADLINE_S = 30
"""The longest deadline of an order before its parcel is dispatched."""


async def dead_letters(visit: Visit) -> int:
    """Count the dead letters of all services."""
    operator = await visit.person("operator")
    return sum([(await operator.get(each, "/ops/counts"))["dead"] for each in visit.marketplace.state["services"]])


@dataclass(frozen=True)
class Bought:
    """An order of a customer without other orders."""

    customer: Person
    order_id: str

    async def becomes(self, *states: str) -> None:
        await self.customer.order(self.order_id, *states, within_s=90)


async def buy(visit: Visit, product_id: str) -> Bought:
    customer = await visit.customer()
    return Bought(customer, await customer.check_out(product_id))


async def test_a_lock_longer_than_any_statement_spends_no_attempt(site: Site, visit: Visit, product_id: str) -> None:
    dead = await dead_letters(visit)
    async with fault_during(site, "forgotten-lock", "catalog-db"):
        orders = [await buy(visit, product_id) for _ in range(3)]
        await asyncio.sleep(STATEMENT_S + 3)  # the duration is the fault
        await orders[0].becomes("placed")
    for order in orders:
        await order.becomes("delivered")
    assert await dead_letters(visit) == dead


async def test_read_only_sessions_after_a_failover_are_replaced_within_seconds(
    site: Site, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "read-only-sessions", "cart-db"):
        pass
    path = f"/carts/{customer.subject}/items/{product_id}"

    async def writes() -> bool:
        return (await customer.request("PUT", "cart", path, {"quantity": 1}))[0] == 200

    await until(writes, 10)
    for _ in range(30):
        assert await writes(), "a session is still read-only"


@pytest.mark.parametrize("ahead_s", [-45, 45, 900])
@pytest.mark.parametrize("service", ["checkout", "delivery"])
async def test_a_wrong_clock_cancels_no_order(
    site: Site, visit: Visit, product_id: str, service: str, ahead_s: float
) -> None:
    """The clock is wrong by more than any deadline, while a provider is slow."""
    async with fault_during(site, "slow", "payments-a", latency_ms=2000):
        orders = [await buy(visit, product_id)]
        async with fault_during(site, "skewed-clock", service, ahead_s=ahead_s):
            orders += [await buy(visit, product_id) for _ in range(3)]
            for order in orders:
                await order.becomes("confirmed", "delivered")
            orders.append(await buy(visit, product_id))
        orders.append(await buy(visit, product_id))
    for order in orders:
        await order.becomes("delivered")


async def test_an_outage_longer_than_all_deadlines_cancels_no_order(site: Site, visit: Visit, product_id: str) -> None:
    orders = [await buy(visit, product_id) for _ in range(3)]
    async with fault_during(site, "outage", "checkout"):
        orders += [await buy(visit, product_id) for _ in range(3)]
        await asyncio.sleep(LONGEST_DEADLINE_S + 5)  # the duration is the fault
    for order in orders:
        await order.becomes("delivered")


async def test_the_status_of_a_parcel_is_requested_if_its_carrier_sends_no_callbacks(
    site: Site, customer: Person, product_id: str
) -> None:
    order_id = await customer.check_out(product_id)
    ledger = site.layout.directory / "outside" / "ledger.sqlite3"
    mark_as_sent = "update parcels set state = 'delivery-told' where order_id = ? and state <> 'delivery-told'"
    with closing(sqlite3.connect(ledger, timeout=5, isolation_level=None)) as book:

        async def lost() -> bool:
            return book.execute(mark_as_sent, [order_id]).rowcount > 0

        await until(lost, 20)
    await customer.order(order_id, "delivered", within_s=90)
