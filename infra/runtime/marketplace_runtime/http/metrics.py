"""Metrics of this package; names follow OpenTelemetry's conventions where it has one."""

from prometheus_client import Histogram

from marketplace_runtime.telemetry import DURATION_BUCKETS_S

http_request_duration = Histogram(
    "http_server_request_duration_seconds",
    "From the request's head to the end of the answer.",
    ["method", "route", "status"],
    buckets=DURATION_BUCKETS_S,
)
