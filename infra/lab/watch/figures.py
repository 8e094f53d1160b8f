"""Parses those metrics of a process that `status` and the reports show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

METRIC_PREFIXES = (
    *("messaging_process_total", "messaging_publish_total", "outbox_", "scheduled_pending", "retries_", "dead_letters"),
    *("circuit_breaker_state", "bulkhead_in_use", "bulkhead_limit", "retry_budget_tokens"),
    *("http_server_active_requests", "http_server_requests_limit", "http_server_shed_total"),
    *("http_server_request_duration_seconds_count", "component_healthy"),
)
"""Prefixes of the metrics to parse. Others, mostly histogram buckets, are skipped to save time every second."""
SUMMED_FIELDS = {
    ("messaging_process_total", "committed"): "handled",
    ("messaging_process_total", "retried"): "retried",
    ("messaging_process_total", "dead"): "died",
    ("messaging_process_total", "unreadable"): "died",
    ("messaging_publish_total", ""): "published",
    ("http_server_shed_total", ""): "shed",
    ("http_server_active_requests", ""): "under_way",
    ("http_server_requests_limit", ""): "most_under_way",
    ("bulkhead_in_use", ""): "calls",
    ("bulkhead_limit", ""): "most_calls",
}
"""Fields of `Figures` by metric and outcome. Each replica has its own values, and those of all replicas are added."""
DATABASE_FIELDS = {
    "outbox_pending": "outbox",
    "outbox_oldest_seconds": "outbox_age_s",
    "scheduled_pending": "scheduled",
    "dead_letters": "dead",
    "retries_pending": "retrying",
    "retries_oldest_seconds": "retrying_oldest_s",
}
"""Fields of `Figures` by metric. Every replica reads them from the same database. Unknown while it is unreachable."""
ORDERS = {f"checkout.order-{state}.v1": state for state in ("confirmed", "cancelled", "delivered")}
CHECKOUT_ROUTE = "/carts/{customer}/checkout"
CIRCUITS = ("closed", "half open", "open")


@dataclass(frozen=True)
class Figures:
    """The metrics of a process, or of all replicas of a service, at one moment. Counters count from process start."""

    handled: float = 0
    retried: float = 0
    died: float = 0
    """Messages that became dead letters since the process started. `dead` counts those that are dead letters now."""
    published: float = 0
    shed: float = 0
    """Requests refused because too many were in progress."""
    under_way: float = 0
    most_under_way: float = 0
    """Present limit of requests in progress (`under_way`). Requests beyond it are refused."""
    calls: float = 0
    """External calls in progress. `most_calls` is their limit."""
    most_calls: float = 0
    repeats_left: float | None = None
    """External calls that may be retried now (tokens of the retry budgets). None if the process has no budget."""
    outbox: float | None = None
    outbox_age_s: float | None = None
    scheduled: float | None = None
    retrying: float | None = None
    """Messages that failed or were deferred, and wait for a retry."""
    retrying_oldest_s: float | None = None
    dead: float | None = None
    """Dead letters that are in the database now."""
    unhealthy: Sequence[str] = ()
    """Unhealthy components of a process, such as its database, broker or consumers."""
    circuits: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, float] = field(default_factory=dict)
    """Number of orders by the state that they reached: `accepted` (answered 202), or that of a published event."""


def parse(text: str) -> Figures:
    """Parse a Prometheus exposition. Raises ValueError if it is malformed."""
    totals = dict.fromkeys(SUMMED_FIELDS.values(), 0.0)
    gauges: dict[str, float] = {}
    circuits: dict[str, str] = {}
    orders: dict[str, float] = {}
    unhealthy: list[str] = []
    for name, labels, value in _samples(text):
        if total := SUMMED_FIELDS.get((name, labels.get("outcome", ""))):
            totals[total] += value
        if name in DATABASE_FIELDS and not isnan(value):
            gauges[DATABASE_FIELDS[name]] = value
        if name == "retry_budget_tokens":
            gauges["repeats_left"] = gauges.get("repeats_left", 0.0) + value
        if name == "component_healthy" and not value:
            unhealthy.append(labels["component"])
        if name == "circuit_breaker_state":
            circuits[labels["name"]] = CIRCUITS[int(value)]
        if state := ORDERS.get(labels.get("event_type", "")):
            orders[state] = value
        if labels.get("route") == CHECKOUT_ROUTE and labels["status"] == "202":
            orders["accepted"] = value
    return Figures(**totals, **gauges, unhealthy=tuple(sorted(unhealthy)), circuits=circuits, orders=orders)


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    lines = [line for line in text.splitlines() if line.startswith(METRIC_PREFIXES)]
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def combine_replicas(replicas: Sequence[Figures]) -> Figures:
    """Combine the figures of a service's replicas.

    `SUMMED_FIELDS` are added, because each replica counts for itself. `DATABASE_FIELDS` take the highest value, because
    all replicas read them from the same database. A circuit breaker has its worst state.
    """
    circuits: dict[str, str] = {}
    orders: dict[str, float] = {}
    for each in replicas:
        for name, state in each.circuits.items():
            circuits[name] = max(state, circuits.get(name, "closed"), key=CIRCUITS.index)
        for state, number in each.orders.items():
            orders[state] = orders.get(state, 0) + number
    totals: dict[str, float] = {name: sum(getattr(each, name) for each in replicas) for name in SUMMED_FIELDS.values()}
    gauges: dict[str, Any] = {name: _highest(replicas, name) for name in DATABASE_FIELDS.values()}
    budgets = [each.repeats_left for each in replicas if each.repeats_left is not None]
    gauges["repeats_left"] = sum(budgets) if budgets else None
    unhealthy = tuple(sorted({component for each in replicas for component in each.unhealthy}))
    return Figures(**totals, **gauges, unhealthy=unhealthy, circuits=circuits, orders=orders)


def _highest(replicas: Sequence[Figures], name: str) -> float | None:
    return max((value for each in replicas if (value := getattr(each, name)) is not None), default=None)
