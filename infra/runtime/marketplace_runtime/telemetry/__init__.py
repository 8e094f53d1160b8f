"""Provides structured logs, trace context and metrics."""

from marketplace_runtime.telemetry.logs import configure_logging, get_logger
from marketplace_runtime.telemetry.metrics import CONTENT_TYPE, DURATION_BUCKETS_S, exposition
from marketplace_runtime.telemetry.tracing import child_of, current_traceparent, new_traceparent, trace

__all__ = [
    "CONTENT_TYPE",
    "DURATION_BUCKETS_S",
    "child_of",
    "configure_logging",
    "current_traceparent",
    "exposition",
    "get_logger",
    "metrics",
    "new_traceparent",
    "trace",
]
