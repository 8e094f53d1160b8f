"""The broker loses its data under traffic: events are republished, and every order completes."""

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.marketplace import Marketplace, Visit, until
from tests.system.shopping import dispatches, order, shopping


@pytest.fixture
def own_stack() -> Iterator[Marketplace]:
    """Start a separate stack, since the shared one must not lose data."""
    with tempfile.TemporaryDirectory(prefix="marketplace-lossy-") as home:
        Path(home).chmod(0o711)
        stack = Marketplace(Path(home), f"lossy-{os.getpid()}")
        try:
            stack.command("up", "-d")
            yield stack
        finally:
            stack.command("down", "--volumes")


async def paid(visit: Visit) -> Counter[str]:
    """Count the captures of each order at both providers, minus voids and refunds."""
    worth = {"capture": 1, "refund": -1, "void": -1}
    found: Counter[str] = Counter()
    for provider in ("a", "b"):
        async for entry in visit.entries(f"payments/{provider}"):
            if entry["amount"]:
                found[entry["order_id"]] += worth.get(entry["kind"], 0)
    return +found


async def until_all_published(visit: Visit, service: str) -> None:
    """Wait until the broker has confirmed every pending event of the service."""
    operator = await visit.person("operator")
    ops = next(iter(visit.marketplace.state["services"][service]["ops"].values()))

    async def nothing_pending() -> bool:
        async with visit.http.get(f"{ops}/ops/counts", headers=operator.headers) as answer:
            return bool((await answer.json())["pending"] == 0)

    await until(nothing_pending, 30)


@pytest.mark.timeout(240)
@pytest.mark.slow  # a separate stack takes a minute and a half
async def test_a_broker_that_lost_its_data_loses_no_order_and_repeats_nothing(
    own_stack: Marketplace, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    async with Visit(own_stack) as visit, shopping(own_stack, record) as task:
        _, product_id = await visit.product()
        customers = [await visit.customer() for _ in range(6)]
        await order(own_stack, "kill", "delivery")
        orders = [await each.check_out(product_id) for each in customers[:3]]
        for customer, order_id in zip(customers, orders, strict=False):
            await customer.order(order_id, "confirmed")
        await order(own_stack, "kill", "checkout")
        orders += [await each.check_out(product_id) for each in customers[3:]]
        await until_all_published(visit, "cart")  # now only the broker and the cart's outbox have them

        await order(own_stack, "kill", "broker")
        shutil.rmtree(own_stack.home / own_stack.name / "broker" / "data")
        await order(own_stack, "start", "broker")
        await asyncio.gather(order(own_stack, "start", "delivery"), order(own_stack, "start", "checkout"))
        await order(own_stack, "republish", "--since", "1h")

        for customer, order_id in zip(customers, orders, strict=True):
            await customer.order(order_id, "delivered", "cancelled", within_s=90)
        report = await task
        assert (report.orders["pending"], report.unfinished) == (0, [])
        assert report.events["dead"] == 0
        parcels = await dispatches(visit)
        assert set(parcels.values()) == {1}

        async def paid_for_what_was_sent() -> bool:
            return await paid(visit) == parcels

        await until(paid_for_what_was_sent, 20)
        accepted = {line["order_id"] for line in map(json.loads, record.read_text().splitlines()) if "order_id" in line}
        for each in accepted.union(orders):
            mails = await visit.mails(each)
            assert len(set(mails)) == len(mails)
