"""The report's numbers are consistent, and it names orders that do not end."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from infra.lab.simulator.client import Latencies, Meter
from infra.lab.simulator.orders import OrderBook
from infra.lab.simulator.report import Report, make_report

EVENTS = {"published": 5, "handled": 9, "retried": 1, "dead": 0}


@pytest.fixture
def book() -> Iterator[OrderBook]:
    with OrderBook(None) as book:
        yield book


def accepted(book: OrderBook, *order_ids: str, at: float = 0.0) -> None:
    for order_id in order_ids:
        book.note_checkout(f"key of {order_id}", "anna", at)
        book.note_accepted(f"key of {order_id}", order_id)


def reported(book: OrderBook, meter: Meter | None = None) -> Report:
    return make_report(book, meter or Meter(), EVENTS, duration_s=30, seed=42)


def entry(type: str, at: str = "2026-01-01T00:00:00+00:00") -> dict[str, object]:
    return {"version": 1, "type": type, "at": at}


def test_orders_count_in_every_state_that_they_reached(book: OrderBook) -> None:
    accepted(book, "delivered", "cancelled after confirmation", "cancelled before", "stuck")
    statuses = {
        "delivered": "delivered",
        "cancelled after confirmation": "cancelled",
        "cancelled before": "cancelled",
        "stuck": "paying",
    }
    for order_id, status in statuses.items():
        book.orders[order_id].saw_status(status)
    book.orders["cancelled after confirmation"].saw_journal([entry("confirmed"), entry("cancelled")])
    book.orders["cancelled before"].saw_journal([entry("placed"), entry("cancelled")])
    assert reported(book).orders == {
        "accepted": 4,
        "confirmed": 2,
        "cancelled": 2,
        "delivered": 1,
        "pending": 1,
    }


def test_the_dictionary_has_exactly_the_agreed_members(book: OrderBook) -> None:
    report = reported(book).as_dict()
    assert json.loads(json.dumps(report)) == {
        "orders": {"accepted": 0, "confirmed": 0, "cancelled": 0, "delivered": 0, "pending": 0},
        "http": {"requests": 0, "errors": 0, "p50_ms": None, "p99_ms": None},
        "latency_ms": {"accepted_to_confirmed": {"p50": None, "p95": None, "p99": None}},
        "events": EVENTS,
        "duration_s": 30,
        "seed": 42,
    }


def test_latency_is_measured_from_the_intended_checkout_to_the_confirmation(book: OrderBook) -> None:
    accepted(book, "o", at=1767225600.0)  # 2026-01-01T00:00:00Z
    book.orders["o"].saw_journal([entry("confirmed", "2026-01-01T00:00:01.500000+00:00")])
    assert reported(book).accepted_to_confirmed["p50"] == pytest.approx(1500, rel=0.001)


def test_orders_without_an_end_are_listed_with_state_and_age(book: OrderBook) -> None:
    accepted(book, "never-seen", "slow", at=time.time() - 62)
    book.orders["slow"].saw_status("paying")
    book.orders["slow"].since = time.time() - 33
    book.note_checkout("key", "ben", time.time())
    assert reported(book).unfinished == [
        "order never-seen of customer anna has been unknown to checkout for 62 s",
        "order slow of customer anna has been 'paying' for 33 s",
        "a checkout of customer ben was never answered",
    ]


def test_the_list_of_orders_without_an_end_is_limited(book: OrderBook) -> None:
    accepted(book, *map(str, range(1000)))
    hanging = reported(book).unfinished
    assert len(hanging) == 101
    assert hanging[-1] == "... and 900 more"


def test_the_record_is_written_before_the_request_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    with OrderBook(path) as book:
        book.note_checkout("k1", "anna", 1.0)
        assert json.loads(path.read_text()) == {"did": "ask", "key": "k1", "customer_id": "anna", "at": 1.0}
        book.note_accepted("k1", "o1")
        book.note_checkout("k2", "ben", 2.0)
        book.note_refused("k2")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["did"] for line in lines] == ["ask", "accept", "ask", "refuse"]
    assert lines[1] == {"did": "accept", "key": "k1", "order_id": "o1"}


def test_the_record_counts_stock(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    with OrderBook(path) as book:
        book.note_listing("k1", 12)
        book.note_listed("k1", "lamp")
        book.note_restock("k2", "lamp", 5)
        assert json.loads(path.read_text().splitlines()[-1])["did"] == "restock"
        book.note_restocked("k2", done=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"did": "list", "key": "k1", "on_hand": 12}
    assert lines[1] == {"did": "listed", "key": "k1", "product_id": "lamp"}
    assert lines[2] == {"did": "restock", "key": "k2", "product_id": "lamp", "quantity": 5}
    assert lines[3] == {"did": "restocked", "key": "k2", "done": True}


def test_latencies_have_three_significant_digits() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.record(milliseconds / 1000)
    assert latencies.ms(50) == pytest.approx(500, rel=0.001)
    assert latencies.ms(99) == pytest.approx(990, rel=0.001)


def test_extreme_latencies_are_limited() -> None:
    latencies = Latencies()
    latencies.record(-1)
    latencies.record(1e9)
    assert latencies.ms(100) == pytest.approx(600_000, rel=0.001)


def test_the_table_shows_every_figure_and_the_errors(book: OrderBook) -> None:
    meter = Meter(requests=3)
    meter.errors["POST checkout: 500"] += 2
    console = Console(width=100)
    with console.capture() as shown:
        console.print(reported(book, meter).table())
    for expected in ("orders: accepted", "events: dead", "accepted to confirmed p99", "POST checkout: 500"):
        assert expected in shown.get()
