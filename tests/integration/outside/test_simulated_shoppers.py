"""The simulator shops in a marketplace over HTTP, with tokens of the real issuer, and continues through faults."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from infra.lab.simulator import (
    FlashSale,
    Report,
    SetUpFailed,
    Shop,
    Traffic,
    events,
    order_outcomes,
    run_traffic,
    script,
)
from tests.integration.outside.fake_market import FakeMarket
from tests.integration.outside.outside_process import OutsideProcess


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use few customers with a third of the think time, and a simulator that polls four times as often."""
    think = script._think
    monkeypatch.setattr(script, "_think", lambda chance, mean_s=0.15: think(chance, mean_s) / 3)
    monkeypatch.setattr(Traffic, "customers", 60)
    monkeypatch.setattr(order_outcomes, "ROUND_S", 0.25)
    monkeypatch.setattr(events, "POLL_S", 0.25)


def ignore_progress(_word: str) -> None:
    pass


async def shop_in(
    market: FakeMarket,
    outside: OutsideProcess,
    *,
    drain_s: float = 20,
    record: Path | None = None,
    rate: float = 30,
    duration_s: float = 1.5,
    progress: Callable[[str], None] = ignore_progress,
    meanwhile: Callable[[Shop], Coroutine[Any, Any, None]] | None = None,
) -> Report:
    async with market.open(f"{outside.url}/identity") as endpoints:
        traffic = Traffic(rate=rate, duration_s=duration_s, seed=42, profile="buyers", drain_s=drain_s, record=record)
        return await run_traffic(endpoints, traffic, progress, meanwhile)


async def test_every_order_is_followed_to_its_end(outside: OutsideProcess, tmp_path: Path) -> None:
    market, words = FakeMarket(), list[str]()
    report = await shop_in(market, outside, record=tmp_path / "record", progress=words.append)
    counted = report.as_dict()["orders"]
    ever = [{entry["type"] for entry in order.entries} for order in market.orders.values()]
    assert counted["accepted"] == len(market.orders) > 25
    assert counted["pending"] == 0
    for state in ("confirmed", "cancelled", "delivered"):
        assert counted[state] == sum(state in states for states in ever) > 0
    assert (report.http["errors"], dict(report.errors), report.unfinished) == (0, {}, [])
    assert report.events["published"] == sum(len(order.entries) for order in market.orders.values())
    assert 100 <= (report.accepted_to_confirmed["p50"] or 0) < 1000
    noted = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    assert {line["order_id"] for line in noted if line["did"] == "accept"} == set(market.orders)
    assert any("shopping" in word for word in words)


async def test_a_checkout_whose_answer_was_lost_is_found_by_its_key(outside: OutsideProcess) -> None:
    market = FakeMarket(lose_checkouts=10)
    report = await shop_in(market, outside)
    assert report.orders["accepted"] == len(market.orders)
    assert report.orders["pending"] == 0
    assert report.http["errors"] == 10


@pytest.mark.slow
async def test_orders_of_a_flash_sale_are_followed_like_any_other(outside: OutsideProcess) -> None:
    market, accepted = FakeMarket(), list[int]()

    async def rush(shop: Shop) -> None:
        sale = FlashSale(shop, place=3, buyers=20, first_number=10**6)
        assert sale.accepted == 0
        await sale.run()
        accepted.append(sale.accepted)

    report = await shop_in(market, outside, rate=5, meanwhile=rush)
    assert 10 < accepted[0] <= report.orders["accepted"] == len(market.orders)
    assert report.orders["pending"] == 0


def leaving(market: FakeMarket, product_id: str) -> Callable[[Shop], Coroutine[Any, Any, None]]:
    """Put one of the product into every cart before the first visit."""

    async def leave(shop: Shop) -> None:
        for customer in shop.customers:
            market.carts[customer.id][product_id] = 1

    return leave


@pytest.mark.slow
async def test_a_discontinued_product_in_the_cart_does_not_prevent_an_order(outside: OutsideProcess) -> None:
    market = FakeMarket()

    report = await shop_in(market, outside, meanwhile=leaving(market, "sold no more"))
    assert report.orders["accepted"] == len(market.orders) > 15


@pytest.mark.slow
async def test_returning_customers_leave_sold_out_products_in_the_cart(outside: OutsideProcess) -> None:
    market = FakeMarket(sold_out={"rare"})
    market.products["rare"] = {"name": "rare", "listed_at": 0.0}
    report = await shop_in(market, outside, meanwhile=leaving(market, "rare"))
    assert report.orders["accepted"] == len(market.orders) > 15
    assert not any("rare" in order.wish for order in market.orders.values())


@pytest.mark.slow
async def test_returning_customers_accept_new_prices(outside: OutsideProcess) -> None:
    market = FakeMarket(dearer={"heirloom"})
    market.products["heirloom"] = {"name": "heirloom", "listed_at": 0.0}
    await shop_in(market, outside, meanwhile=leaving(market, "heirloom"))
    inherited = {order.customer for order in market.orders.values() if "heirloom" in order.wish}
    assert len(inherited) > 5
    assert all("heirloom" in market.agreed[customer] for customer in inherited)


async def test_an_error_during_the_run_ends_it(outside: OutsideProcess) -> None:
    async def fail(_: Shop) -> None:
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await shop_in(FakeMarket(), outside, meanwhile=fail)


async def test_traffic_continues_during_and_after_an_outage(outside: OutsideProcess) -> None:
    market = FakeMarket()

    async def outage() -> None:
        while len(market.orders) < 10:
            await asyncio.sleep(0.01)
        market.down |= {"cart", "catalog", "checkout"}
        before = market.requests.total()
        while market.requests.total() < before + 30:
            await asyncio.sleep(0.01)
        market.down.clear()

    breaking = asyncio.create_task(outage())
    report = await shop_in(market, outside, duration_s=4)
    await breaking
    assert report.orders["accepted"] == len(market.orders) > 10
    assert report.orders["pending"] == 0
    assert (report.http["errors"] or 0) > 10
    assert all(": 503" in error for error in report.errors)


@pytest.mark.slow
async def test_hanging_orders_are_reported_after_a_bounded_wait(outside: OutsideProcess) -> None:
    began = time.monotonic()
    report = await shop_in(FakeMarket(stuck=True), outside, drain_s=2, rate=10)
    assert time.monotonic() - began < 30
    assert report.orders["pending"] > 0
    assert "has been 'placed' for" in report.unfinished[0]


@pytest.mark.slow
async def test_waiting_for_orders_costs_few_requests(outside: OutsideProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_outcomes, "ROUND_S", 1.0)
    market = FakeMarket(deliver_after_s=2.5)
    report = await shop_in(market, outside)
    assert report.orders["pending"] == 0
    assert market.requests["GET checkout"] < 12 * len(market.orders)


@pytest.mark.slow
async def test_the_same_seed_makes_the_same_requests(outside: OutsideProcess) -> None:
    markets = [FakeMarket(), FakeMarket()]
    await asyncio.gather(*(shop_in(market, outside, rate=10) for market in markets))
    first, second = [sorted(order.wish for order in market.orders.values()) for market in markets]
    assert first == second != []


async def test_a_shop_that_cannot_be_set_up_is_reported_in_bounded_time(outside: OutsideProcess) -> None:
    with patch("infra.lab.simulator.setup.SETUP_TIMEOUT_S", 0.5), pytest.raises(SetUpFailed, match=r"products.*503"):
        await shop_in(FakeMarket(down={"catalog"}), outside)
