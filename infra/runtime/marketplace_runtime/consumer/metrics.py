"""Defines the metrics of this package. Names follow OpenTelemetry's conventions where there is one."""

from prometheus_client import Counter, Gauge, Histogram

from marketplace_runtime.telemetry import DURATION_BUCKETS_S

process_total = Counter("messaging_process", "Messages processed, by outcome.", ["subscription", "outcome"])
process_duration = Histogram(
    "messaging_process_duration_seconds",
    "Duration of a batch's transaction, to its commit or failure.",
    ["subscription"],
    buckets=DURATION_BUCKETS_S,
)
consumption_paused = Gauge(
    "messaging_consumption_paused", "1 while a subscription waits for its database, else 0.", ["subscription"]
)
publisher_clock_ahead = Gauge(
    "publisher_clock_ahead_seconds",
    "Seconds by which the last event dated in the future was ahead of this service.",
    ["publisher"],
)
