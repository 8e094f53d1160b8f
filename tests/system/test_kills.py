"""Parts are killed under traffic: the rest still works, and everything recovers by itself."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.system.marketplace import Marketplace, Visit, until
from tests.system.shopping import accepted, accepted_at_least, dispatches, order, shopping, without


async def confirmed_total(visit: Visit) -> int:
    """Return the number of OrderConfirmed events that checkout has published, from its metrics."""
    ops = next(iter(visit.marketplace.state["services"]["checkout"]["ops"].values()))
    async with visit.http.get(f"{ops}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    name = 'messaging_publish_total{event_type="checkout.order-confirmed.v1"}'
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)))


@pytest.mark.slow  # test_degradation.py tests the same without traffic
@pytest.mark.timeout(240)
async def test_without_delivery_orders_are_confirmed_and_shipped_once_when_it_returns(
    marketplace: Marketplace, visit: Visit, tmp_path: Path
) -> None:
    async with shopping(marketplace, tmp_path / "record") as task:
        async with without(marketplace, "delivery"):
            before = await confirmed_total(visit)

            async def more_confirmed() -> bool:
                return await confirmed_total(visit) >= before + 10

            await until(more_confirmed, 30)
        report = await task
    assert report.orders["accepted"] > 20
    assert (report.orders["pending"], report.unfinished) == (0, [])
    assert report.events["dead"] == 0
    parcels = await dispatches(visit)
    assert set(parcels.values()) == {1}


@pytest.mark.slow  # test_degradation.py tests the same without traffic
@pytest.mark.timeout(240)
async def test_without_the_broker_checkouts_are_accepted_and_complete_when_it_returns(
    marketplace: Marketplace, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    async with shopping(marketplace, record) as task:
        async with without(marketplace, "broker"):
            await until(accepted_at_least(record, accepted(record) + 10), 30)
        report = await task
    assert report.orders["accepted"] > 20
    assert (report.orders["pending"], report.unfinished) == (0, [])
    assert report.events["dead"] == 0


@pytest.mark.slow  # test_degradation.py tests the same without traffic for every service
@pytest.mark.timeout(240)
async def test_without_its_database_a_service_pauses_and_nothing_is_dead_lettered(
    marketplace: Marketplace, tmp_path: Path
) -> None:
    async with shopping(marketplace, tmp_path / "record") as task:
        async with without(marketplace, "checkout-db"):
            await asyncio.sleep(2)  # let the outage last; there is no event to await
        report = await task
    assert report.orders["accepted"] > 20
    assert (report.orders["pending"], report.unfinished) == (0, [])
    assert report.events["dead"] == 0


@pytest.mark.slow  # tests/integration/messaging kills competing replicas
async def test_replicas_share_the_work_and_one_may_die(marketplace: Marketplace, tmp_path: Path) -> None:
    await order(marketplace, "scale", "checkout=2")
    try:
        async with shopping(marketplace, tmp_path / "record", duration_s=6) as task:
            await order(marketplace, "kill", "checkout.2")
            report = await task
    finally:
        await order(marketplace, "scale", "checkout=1")
    assert (report.orders["pending"], report.unfinished) == (0, [])
    assert report.events["dead"] == 0


@pytest.mark.timeout(240)
async def test_a_killed_supervisor_leaves_its_data_and_no_process(marketplace: Marketplace, visit: Visit) -> None:
    _, product_id = await visit.product()
    customer = await visit.customer()
    order_id = await customer.check_out(product_id)
    await customer.order(order_id, "delivered")
    supervisor = int((marketplace.home / marketplace.name / "lock").read_text())
    family = family_of(supervisor)
    assert len(family) > 13  # broker, outside, five databases, five services, their children
    os.kill(supervisor, signal.SIGKILL)
    try:

        async def gone() -> bool:
            return not family & living()

        await until(gone, 5, lambda: f"still there: {family & living()}")
    finally:
        await order(marketplace, "up", "-d", "--faultable")
    assert (await customer.get("checkout", f"/orders/{order_id}"))["status"] == "delivered"
    second = await customer.check_out(product_id)
    await customer.order(second, "delivered")


async def test_up_on_a_running_stack_reports_ignored_options_and_parts_that_are_not_ready(
    marketplace: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "The stack is up already." in marketplace.command("up", "-d", "--faultable").stdout
    monkeypatch.setitem(marketplace.environment, "CART_ABANDONED_AFTER_S", "4321")
    other = marketplace.attempt("up", "-d")
    assert other.returncode == 1
    assert "without CART_ABANDONED_AFTER_S=4321, which is ignored." in " ".join(other.stderr.split())
    monkeypatch.undo()
    async with without(marketplace, "notifications"):
        assert marketplace.status()["phase"] == "degraded"
        broken = marketplace.attempt("up", "-d")
        assert broken.returncode == 1
        assert "not ready: notifications.1 (" in " ".join(broken.stderr.split())
    assert marketplace.status()["phase"] == "ready"


def living() -> set[tuple[int, str]]:
    """Return every process by id and start time, so that a reused id is another process."""
    return set(parents())


def parents() -> dict[tuple[int, str], int]:
    """Return the parent's id of each living process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    found[int(entry.name), fields[19]] = int(fields[1])
    return found


def family_of(pid: int) -> set[tuple[int, str]]:
    """Return a process and all its descendants."""
    parent_of = parents()
    family = {each for each in parent_of if each[0] == pid}
    while True:
        ids = {each[0] for each in family}
        more = {each for each, parent in parent_of.items() if parent in ids} - family
        if not more:
            return family
        family |= more
