"""Metrics of this package; names follow OpenTelemetry's conventions where it has one."""

from prometheus_client import Counter, Gauge, Histogram

from marketplace_runtime.telemetry import DURATION_BUCKETS_S

process_total = Counter("messaging_process", "Messages handled, by what became of them.", ["subscription", "outcome"])
process_duration = Histogram(
    "messaging_process_duration_seconds",
    "From taking a batch to its commit.",
    ["subscription"],
    buckets=DURATION_BUCKETS_S,
)
consumption_paused = Gauge(
    "messaging_consumption_paused", "1 while a subscription waits for its infrastructure.", ["subscription"]
)
publisher_clock_ahead = Gauge(
    "publisher_clock_ahead_seconds", "How far the last event that came from the future was ahead.", ["publisher"]
)
