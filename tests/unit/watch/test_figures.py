"""Metrics of processes are read correctly, and rates are correct despite restarts and missing samples."""

import time

import pytest
from rich.console import Console

from infra.cli.live_table import view
from infra.lab.watch import Figures, Samples, combine_replicas, parse
from infra.stack import Message
from marketplace_runtime.consumer import metrics as consumer_metrics
from marketplace_runtime.dead_letters import metrics as dead_letters_metrics
from marketplace_runtime.outbox import metrics as outbox_metrics
from marketplace_runtime.scheduler import metrics as scheduler_metrics
from marketplace_runtime.telemetry import exposition

EXPOSITION = """
# TYPE messaging_process_total counter
messaging_process_total{outcome="committed",subscription="checkout.carts"} 7.0
messaging_process_total{outcome="committed",subscription="checkout.stock"} 5.0
messaging_process_total{outcome="retried",subscription="checkout.stock"} 2.0
messaging_process_total{outcome="dead",subscription="checkout.stock"} 1.0
messaging_process_duration_seconds_bucket{le="0.001",subscription="checkout.carts"} 3.0
messaging_publish_total{event_type="checkout.order-placed.v1"} 9.0
messaging_publish_total{event_type="checkout.order-confirmed.v1"} 4.0
outbox_pending 3.0
outbox_oldest_seconds 1.25
scheduled_pending NaN
circuit_breaker_state{name="payments-a"} 2.0
circuit_breaker_state{name="payments-b"} 0.0
bulkhead_in_use{name="payments-a"} 3.0
bulkhead_in_use{name="payments-b"} 1.0
bulkhead_limit{name="payments-a"} 16.0
bulkhead_limit{name="payments-b"} 16.0
retry_budget_tokens{name="payments-a"} 0.0
retry_budget_tokens{name="payments-b"} 9.5
http_server_active_requests{service="cart"} 2.0
http_server_requests_limit{service="cart"} 100.0
http_server_shed_total{importance="look",service="cart"} 6.0
http_server_request_duration_seconds_count{method="POST",route="/carts/{customer}/checkout",status="202"} 8.0
http_server_request_duration_seconds_count{method="POST",route="/carts/{customer}/checkout",status="503"} 2.0
"""


def test_metrics_are_read_from_the_exposition() -> None:
    seen = parse(EXPOSITION)
    assert (seen.handled, seen.retried, seen.died, seen.published, seen.shed) == (12, 2, 1, 13, 6)
    assert (seen.outbox, seen.outbox_age_s) == (3, 1.25)
    assert seen.circuits == {"payments-a": "open", "payments-b": "closed"}
    assert seen.orders == {"confirmed": 4, "accepted": 8}
    assert (seen.calls, seen.most_calls, seen.repeats_left) == (4, 32, 9.5)
    assert (seen.under_way, seen.most_under_way) == (2, 100)


def test_an_unknown_value_is_not_zero() -> None:
    assert parse(EXPOSITION).scheduled is None
    assert parse("").outbox is None
    assert parse("").repeats_left is None


def test_every_metric_that_is_read_is_exposed() -> None:
    outbox_metrics.outbox_pending.set(41)
    outbox_metrics.outbox_oldest.set(42)
    scheduler_metrics.scheduled_pending.set(43)
    dead_letters_metrics.dead_letters.set(44)
    before = parse(exposition().decode())
    consumer_metrics.process_total.labels("cart.orders", "committed").inc(3)
    outbox_metrics.publish_total.labels("checkout.order-delivered.v1").inc()
    after = parse(exposition().decode())
    assert (after.outbox, after.outbox_age_s, after.scheduled, after.dead) == (41, 42, 43, 44)
    assert (after.handled - before.handled, after.published - before.published) == (3, 1)
    assert after.orders["delivered"] - before.orders.get("delivered", 0) == 1


def test_counts_of_replicas_are_added_and_database_figures_are_not() -> None:
    one = Figures(handled=3, calls=1, repeats_left=4, outbox=5, circuits={"mail": "closed"}, orders={"accepted": 1})
    other = Figures(handled=4, calls=2, outbox=6, outbox_age_s=2, circuits={"mail": "open"}, orders={"accepted": 2})
    assert combine_replicas([one, other]) == Figures(
        handled=7,
        calls=3,
        repeats_left=4,
        outbox=6,
        outbox_age_s=2,
        circuits={"mail": "open"},
        orders={"accepted": 3},
    )


def samples_of(replica: str, handled: dict[int, float]) -> Samples:
    samples = Samples()
    samples.replicas[replica] = {second: Figures(handled=total) for second, total in handled.items()}
    return samples


@pytest.mark.parametrize(
    ("seen", "rate"),
    [
        ({96: 10, 97: 12, 98: 14, 99: 16, 100: 18}, 2),
        ({96: 10, 100: 18}, 2),  # seconds without an answer
        ({98: 100, 99: 110, 100: 4}, 7),  # a process that was restarted
        ({100: 18}, None),
        ({90: 10, 91: 20}, None),  # too long ago
    ],
)
def test_a_rate_needs_two_recent_answers(seen: dict[int, float], rate: float | None) -> None:
    assert samples_of("cart.1", seen).rate("cart", 100, lambda each: each.handled) == rate


def test_a_queue_counts_for_the_service_that_consumes_it() -> None:
    samples = Samples()
    samples.queues[7] = {"cart.orders": 3, "cart.dead": 1, "catalog.orders": 5}
    assert (samples.depth("cart", 7), samples.depth("cart", 8)) == (4, None)
    assert samples.latest_depth("catalog", 9) == 5


def shown(status: Message, samples: Samples, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(view(status, samples, ["cart", "delivery"], width))
    return capture.get()


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_a_narrow_terminal_shows_fewer_columns_but_none_cut(width: int) -> None:
    now = int(time.time())
    samples = samples_of("cart.1", {now - 1: 10, now: 30})
    part = {"state": "ready", "pid": 1, "since": now - 5, "restarts": 0, "why": "", "rss_bytes": 50_000_000}
    status = {"stack": "s", "phase": "ready", "parts": {"cart.1": part, "delivery.1": part, "notifications-db": part}}
    table = shown(status, samples, width)
    assert "…" not in table
    assert {"part", "state", "in/s", "queue", "dead", "circuits", "memory"} <= set(table.splitlines()[1].split())
    assert ("budget" in table) == (width == 160)


def test_the_table_also_has_rows_for_replicas_that_do_not_answer() -> None:
    now = int(time.time())
    samples = samples_of("cart.1", {now - 1: 10, now: 30})
    samples.queues[now] = {"cart.orders": 1234, "delivery.orders": 7}
    part = {"state": "ready", "pid": 1, "since": now - 5, "restarts": 0, "why": "", "rss_bytes": 50_000_000}
    hung = part | {"state": "paused"}
    status = {
        "stack": "s",
        "phase": "ready",
        "parts": {"cart.1": part, "cart.2": hung, "delivery.1": hung, "broker": part},
    }
    table = shown(status, samples, 160)
    lines = {line.split()[0]: line.split() for line in table.splitlines() if line.strip()}
    assert lines["cart"][:6] == ["cart", "paused", "1/2", "5s", "20.0", "0.0"]
    assert "1,234" in lines["cart"]
    assert lines["delivery"] == ["delivery", "paused", "0/1", "5s", "7", "50", "MB"]
    assert "1,241" in lines["broker"]
    assert "orders/s: 0.0 accepted" in table
