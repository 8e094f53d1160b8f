"""Provides structured logs, trace context and metrics."""

from marketplace_runtime.telemetry.logs import configure_logging, get_logger
from marketplace_runtime.telemetry.metrics import DURATION_BUCKETS_S, EXPOSITION_CONTENT_TYPE, exposition
from marketplace_runtime.telemetry.tracing import child_traceparent, current_traceparent, new_traceparent, trace

__all__ = [
    "DURATION_BUCKETS_S",
    "EXPOSITION_CONTENT_TYPE",
    "child_traceparent",
    "configure_logging",
    "current_traceparent",
    "exposition",
    "get_logger",
    "metrics",
    "new_traceparent",
    "trace",
]
