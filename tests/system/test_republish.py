"""The broker loses everything that it had, amid traffic: what was said is said again, and every order completes."""

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
from tests.system.test_kills import accepted, accepted_at_least, confirmed_total, dispatches, order, shopping


@pytest.fixture
def lossy() -> Iterator[Marketplace]:
    """A stack of its own: the shared one does not lose data."""
    with tempfile.TemporaryDirectory(prefix="marketplace-lossy-") as home:
        Path(home).chmod(0o711)
        stack = Marketplace(Path(home), f"lossy-{os.getpid()}")
        try:
            stack.command("up", "-d")
            yield stack
        finally:
            stack.command("down", "--volumes")


async def paid(visit: Visit) -> Counter[str]:
    """How often each order is paid for: captures that were not given back, at both providers."""
    worth = {"capture": 1, "refund": -1, "void": -1}
    found: Counter[str] = Counter()
    for provider in ("a", "b"):
        async for entry in visit.entries(f"payments/{provider}"):
            if entry["amount"]:
                found[entry["order_id"]] += worth.get(entry["kind"], 0)
    return +found


@pytest.mark.timeout(240)
async def test_a_broker_that_lost_its_data_costs_no_order_and_doubles_nothing(
    lossy: Marketplace, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    async with Visit(lossy) as visit, shopping(lossy, record) as task:
        await order(lossy, "kill", "delivery")
        before = await confirmed_total(visit)

        async def some_wait_for_delivery() -> bool:
            return await confirmed_total(visit) >= before + 5

        await until(some_wait_for_delivery, 30)
        await order(lossy, "kill", "checkout")
        await until(accepted_at_least(record, accepted(record) + 5), 30)
        await order(lossy, "kill", "broker")
        shutil.rmtree(lossy.home / lossy.name / "broker" / "data")
        await order(lossy, "start", "broker")
        await asyncio.gather(order(lossy, "start", "delivery"), order(lossy, "start", "checkout"))
        await order(lossy, "republish", "--since", "1h")
        report = await task
        assert report.orders["accepted"] > 20
        assert (report.orders["pending"], report.hanging) == (0, [])
        assert report.events["dead"] == 0

        orders = {line["order_id"] for line in map(json.loads, record.read_text().splitlines()) if "order_id" in line}
        parcels = await dispatches(visit)
        assert set(parcels) <= orders
        assert set(parcels.values()) == {1}
        assert len(parcels) == report.orders["delivered"] > 10

        async def the_others_have_their_money() -> bool:
            return await paid(visit) == parcels

        await until(the_others_have_their_money, 20)
        for each in orders:
            mails = await visit.mails(each)
            assert len(set(mails)) == len(mails)
