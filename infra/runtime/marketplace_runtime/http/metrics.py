"""Defines the metrics of this package. Names follow OpenTelemetry's conventions where one exists."""

from prometheus_client import Histogram

from marketplace_runtime.telemetry import DURATION_BUCKETS_S

http_request_duration = Histogram(
    "http_server_request_duration_seconds",
    "Seconds from the request's head to the end of the answer.",
    ["method", "route", "status"],
    buckets=DURATION_BUCKETS_S,
)
