"""Combines orders, requests and samples of the services into columns with a value per second, null if unknown."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from infra.lab.simulator import FiguresBySecond
from infra.lab.watch import Samples

AFTER_S = 5
"""Seconds that are shown after the traffic has ended and the last order has changed its state."""
HTTP = ("requests", "failed", "p50_ms", "p95_ms", "p99_ms")


def timeline(
    by_second: FiguresBySecond, samples: Samples, services: Sequence[str], duration_s: float
) -> dict[str, Any]:
    """Return columns of equal length, for machines and for drawing. They begin when the traffic begins."""
    first = int(by_second.opened)
    changed = [second for orders in by_second.orders.values() for second in orders]
    last = min(max([first + int(duration_s), *changed]) + AFTER_S, int(by_second.closed))
    span = range(first, last + 1)

    def column(value: Callable[[int], float | None]) -> list[float | None]:
        return [None if (found := value(second)) is None else round(found, 2) for second in span]

    def http(name: str) -> list[float | None]:
        default = 0 if name in ("requests", "failed") else None
        return column(lambda second: by_second.http.get(second, {}).get(name, default))

    def outbox(service: str, name: str) -> list[float | None]:
        return column(lambda second: getattr(samples.service(service, second), name, None))

    return {
        "began": by_second.opened,
        "customers_s": duration_s,
        "orders": {state: [orders.get(second, 0) for second in span] for state, orders in by_second.orders.items()},
        "http": {name: http(name) for name in HTTP},
        "queues": {name: column(partial(samples.depth, name)) for name in services},
        "outbox": {name: outbox(name, "outbox") for name in services},
        "outbox_age_s": {name: outbox(name, "outbox_age_s") for name in services},
    }
