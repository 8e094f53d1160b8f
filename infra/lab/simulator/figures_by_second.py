"""Breaks a run down by second: orders by the state that they reached, and how long requests waited for answers."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.lab.simulator.orders import Order

STATES = ("accepted", "confirmed", "cancelled", "delivered")


class RequestsBySecond:
    """Counts requests and failures, and collects latencies, by the Unix second in which each was meant to be sent."""

    def __init__(self) -> None:
        self._seconds: dict[int, array[float]] = {}
        self._failed: Counter[int] = Counter()

    def record(self, requested_at: float, waited_s: float, *, failed: bool) -> None:
        """Add one request."""
        second = int(requested_at)
        self._seconds.setdefault(second, array("f")).append(waited_s)
        self._failed[second] += failed

    def summary(self) -> dict[int, dict[str, float]]:
        """Return, for each second with requests: their number, how many failed, and percentiles of all waits in ms."""
        return {
            second: {
                "requests": len(waits),
                "failed": self._failed[second],
                **{f"p{percent}_ms": round(_percentile(sorted(waits), percent) * 1000, 2) for percent in (50, 95, 99)},
            }
            for second, waits in sorted(self._seconds.items())
        }


@dataclass(frozen=True)
class FiguresBySecond:
    """Figures by Unix second. A second without any orders or requests has no entry."""

    opened: float = 0.0
    """Unix time at which the traffic began."""
    closed: float = 0.0
    """Unix time at which the run ended, after the wait for orders."""
    orders: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    http: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


def orders_by_second(orders: Iterable[Order]) -> dict[str, Counter[int]]:
    """Count, for each state and second, the orders that reached the state then, according to their journals."""
    found = {state: Counter[int]() for state in STATES}
    for order in orders:
        for state, at in order.times.items():
            if state in found:
                found[state][int(at)] += 1
    return found


def _percentile(ordered: list[float], percent: int) -> float:
    """Return the smallest wait that `percent` percent of all waits do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
