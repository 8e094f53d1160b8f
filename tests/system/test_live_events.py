"""Shows live events and one order's story while customers shop."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.marketplace import ROOT, Marketplace, Visit, until


@contextmanager
def tailing(marketplace: Marketplace, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `events tail` until the block ends."""
    command = [sys.executable, "-m", "infra.cli", "--stack", marketplace.name, "events", "tail", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=marketplace.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Listening for")
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_live_events_and_an_orders_story_are_shown(visit: Visit, marketplace: Marketplace) -> None:
    _, product_id = await visit.product()
    customer = await visit.customer()
    with tailing(marketplace, "checkout.*", "--json", "-n", "4") as tail:
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "delivered")
        lines, _ = tail.communicate(timeout=30)
    seen = [json.loads(line) for line in lines.splitlines()]
    assert len(seen) == 4
    assert {each["user"] for each in seen} == {"checkout"}
    assert "checkout.order-placed.v1" in {each["type"] for each in seen if each["subject"] == order_id}

    told = ""

    async def complete() -> bool:
        nonlocal told
        told = marketplace.command("order", order_id).stdout
        return told.count("notifications.mail") >= 3

    await until(complete, 30, lambda: told)
    lines_told = told.splitlines()
    assert "cart" in lines_told[0]
    assert "publishes cart.cart-checked-out.v1" in lines_told[0]
    for queue, type in [
        ("checkout.carts", "handles cart.cart-checked-out.v1"),
        ("catalog.orders", "handles checkout.order-placed.v1"),
        ("checkout.reservations", "handles catalog.stock-reserved.v1"),
        ("delivery.orders", "handles checkout.order-confirmed.v1"),
    ]:
        assert [line for line in lines_told if queue in line and type in line], told
    assert "because of checkout.order-confirmed.v1" in told


async def test_an_unknown_order_is_reported_in_one_line(marketplace: Marketplace, visit: Visit) -> None:
    with pytest.raises(AssertionError, match="No service knows nobody"):
        marketplace.command("order", "nobody")


async def test_only_operators_may_read_a_story(visit: Visit) -> None:
    customer = await visit.customer()
    assert (await customer.request("GET", "checkout", "/ops/story?subject=x"))[0] == 403


async def test_a_replay_of_handled_events_changes_nothing_and_reports_it(
    visit: Visit, marketplace: Marketplace
) -> None:
    _, product_id = await visit.product()
    customer = await visit.customer()
    await customer.order(await customer.check_out(product_id), "delivered")
    output = marketplace.command("replay", "--to", "delivery.orders", "--from", "1h", "--events", "order-*").stdout
    assert "delivery.orders: done. 0 events handed over," in output
    assert " 0 skipped as handled before" not in output
    assert "delivery.orders" in marketplace.command("replay", "ls").stdout
    assert "delivery.orders: done" in marketplace.command("replay", "watch", "delivery.orders").stdout
    assert "delivery.orders: done" in marketplace.command("replay", "stop", "delivery.orders").stdout

    for arguments, complaint in {
        ("--to", "delivery"): "Name a subscription: orders, carriers",
        ("--to", "delivery.orders", "--from", "8d"): "7 days",
        ("--to", "delivery.orders", "--from", "long ago"): "write it as 2h",
        ("--to", "nobody"): "There is no service 'nobody'.",
        ("watch", "delivery.carriers"): "There was no replay to delivery.carriers.",
        (): "give a subscription",
    }.items():
        refused = marketplace.attempt("replay", *arguments)
        assert refused.returncode in (1, 2), arguments
        assert complaint in " ".join(refused.stderr.split()), (arguments, refused.stderr)


@pytest.mark.slow  # tests/unit/report tests the pages
async def test_a_run_writes_a_page_and_the_figures_of_every_part(marketplace: Marketplace, tmp_path: Path) -> None:
    html, kept = tmp_path / "run.html", tmp_path / "run.json"
    shopping = ("--rate", "4", "--duration", "3", "--seed", "7", "--profile", "buyers")
    output = marketplace.command("traffic", *shopping, "--json", str(kept), "--html", str(html)).stdout
    assert "./marketplace audit" in output
    assert "orders per second" in html.read_text()

    run = json.loads(kept.read_text())
    lines = run["timeline"]
    assert sum(lines["orders"]["accepted"]) == run["orders"]["accepted"] > 0
    assert sum(lines["orders"]["delivered"]) == run["orders"]["delivered"]
    assert sum(lines["http"]["requests"]) > 10
    for service in ("catalog", "cart", "checkout", "notifications", "delivery"):
        assert [depth for depth in lines["queues"][service] if depth is not None], service
        assert [age for age in lines["outbox_age_s"][service] if age is not None], service

    figures = marketplace.status()["figures"]
    assert figures["services"]["checkout"]["handled"] > 0
    assert figures["services"]["checkout"]["circuits"].keys() == {"payments-a", "payments-b"}
    assert figures["services"]["cart"]["orders"]["accepted"] >= run["orders"]["accepted"]
    assert figures["queues"].keys() >= {"checkout.carts", "delivery.orders"}
