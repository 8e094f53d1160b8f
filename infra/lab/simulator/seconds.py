"""A run second by second: orders by the state that they came to, and how long customers waited for answers."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.lab.simulator.orders import Order

STATES = ("accepted", "confirmed", "cancelled", "delivered")


class Waits:
    """What whoever asked in a second had to wait, and how often in vain; by Unix second."""

    def __init__(self) -> None:
        self._seconds: dict[int, array[float]] = {}
        self._failed: Counter[int] = Counter()

    def record(self, asked_at: float, waited_s: float, *, failed: bool) -> None:
        """Adds one request."""
        second = int(asked_at)
        self._seconds.setdefault(second, array("f")).append(waited_s)
        self._failed[second] += failed

    def summary(self) -> dict[int, dict[str, float]]:
        """Requests, those that failed, and percentiles of all in milliseconds, for each second with requests."""
        return {
            second: {
                "requests": len(waits),
                "failed": self._failed[second],
                **{f"p{percent}_ms": round(_percentile(sorted(waits), percent) * 1000, 2) for percent in (50, 95, 99)},
            }
            for second, waits in sorted(self._seconds.items())
        }


@dataclass(frozen=True)
class Seconds:
    """All by Unix second; a second without anything is not there."""

    opened: float = 0.0
    """Unix time at which customers were let in."""
    closed: float = 0.0
    """Unix time at which nobody waited for an order any more."""
    orders: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    http: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


def orders_by_second(orders: Iterable[Order]) -> dict[str, Counter[int]]:
    """How many orders came to each state, as their journals say."""
    found = {state: Counter[int]() for state in STATES}
    for order in orders:
        for state, at in order.times.items():
            if state in found:
                found[state][int(at)] += 1
    return found


def _percentile(ordered: list[float], percent: int) -> float:
    """The smallest wait that so many percent did not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
