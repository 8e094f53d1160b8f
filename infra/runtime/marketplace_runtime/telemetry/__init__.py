"""What a part says about itself: structured logs, trace context and metrics."""

from marketplace_runtime.telemetry import metrics
from marketplace_runtime.telemetry.logs import configure_logging, get_logger
from marketplace_runtime.telemetry.tracing import child_of, current_traceparent, new_traceparent, trace

__all__ = ["child_of", "configure_logging", "current_traceparent", "get_logger", "metrics", "new_traceparent", "trace"]
