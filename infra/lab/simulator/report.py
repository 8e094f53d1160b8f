"""Summarises a run of the simulator, for machines and for a terminal."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from infra.lab.simulator.client import Latencies, Meter
from infra.lab.simulator.figures_by_second import FiguresBySecond, orders_by_second
from infra.lab.simulator.orders import Order, OrderBook

EVENT_COUNTS = ("published", "handled", "retried", "dead")
_MAX_UNFINISHED_SHOWN = 100


@dataclass(frozen=True)
class Report:
    """The result of a run: `as_dict` is for machines, `table` for people.

    `unfinished` describes each order that has not ended and each checkout without an answer.
    """

    orders: dict[str, int]
    http: dict[str, float | None]
    accepted_to_confirmed: dict[str, float | None]
    events: dict[str, int]
    duration_s: float
    seed: int
    unfinished: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    """Number of HTTP errors by request and outcome."""
    by_second: FiguresBySecond = field(default_factory=FiguresBySecond)

    def as_dict(self) -> dict[str, Any]:
        """Return the machine-readable report."""
        return {
            "orders": self.orders,
            "http": self.http,
            "latency_ms": {"accepted_to_confirmed": self.accepted_to_confirmed},
            "events": self.events,
            "duration_s": self.duration_s,
            "seed": self.seed,
        }

    def table(self) -> Table:
        """Return the report as a table for a terminal."""
        table = Table("what", "figure", title=f"{self.duration_s:g} s of shopping (seed {self.seed})")
        table.columns[1].justify = "right"
        latency = {f"accepted to confirmed {name}": ms for name, ms in self.accepted_to_confirmed.items()}
        for title, figures in (
            ("orders", self.orders),
            ("http", self.http),
            ("latency, ms", latency),
            ("events", self.events),
        ):
            for name, figure in figures.items():
                table.add_row(f"{title}: {name}", "-" if figure is None else f"{figure:,}")
            table.add_section()
        for error, count in self.errors.most_common(10):
            table.add_row(f"http error: {error}", f"{count:,}")
        return table


def count_orders(orders: Iterable[Order]) -> dict[str, int]:
    """Count the orders: all accepted, those that ever were confirmed, cancelled or delivered, and those pending."""
    known = list(orders)
    counts = {"accepted": len(known)}
    for state in ("confirmed", "cancelled", "delivered"):
        counts[state] = sum(state in order.reached for order in known)
    counts["pending"] = sum(not order.is_over for order in known)
    return counts


def make_report(
    book: OrderBook, meter: Meter, events: dict[str, int], *, duration_s: float, seed: int, opened: float = 0.0
) -> Report:
    """Build the report at the end of a run."""
    confirmed = Latencies()
    for order in book.orders.values():
        if order.confirmed_at is not None:
            confirmed.record(order.confirmed_at - order.requested_at)
    unfinished = [order.describe_delay() for order in book.pending()]
    unfinished += [f"a checkout of customer {each.customer} was never answered" for each in book.unanswered.values()]
    if len(unfinished) > _MAX_UNFINISHED_SHOWN:
        unfinished[_MAX_UNFINISHED_SHOWN:] = [f"... and {len(unfinished) - _MAX_UNFINISHED_SHOWN} more"]
    return Report(
        orders=count_orders(book.orders.values()),
        http={
            "requests": meter.requests,
            "errors": meter.errors.total(),
            "p50_ms": meter.latencies.ms(50),
            "p99_ms": meter.latencies.ms(99),
        },
        accepted_to_confirmed={f"p{percentile}": confirmed.ms(percentile) for percentile in (50, 95, 99)},
        events=events,
        duration_s=duration_s,
        seed=seed,
        unfinished=unfinished,
        errors=meter.errors,
        by_second=FiguresBySecond(
            opened, time.time(), orders_by_second(book.orders.values()), meter.requests_by_second.summary()
        ),
    )
