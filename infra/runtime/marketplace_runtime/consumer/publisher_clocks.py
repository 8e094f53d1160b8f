"""Reports publishers whose clock runs ahead, by a metric and a warning. Their events are consumed."""

import time
from datetime import timedelta

from marketplace_runtime.consumer import metrics
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

MAX_CLOCK_AHEAD = timedelta(seconds=30)
WARN_EVERY_S = 60.0

_warned_at: dict[str, float] = {}


def report(publisher: str, ahead_s: float) -> None:
    """Record in the metric by how many seconds a publisher's clock is ahead. Logs a warning at most once a minute."""
    metrics.publisher_clock_ahead.labels(publisher).set(ahead_s)
    now = time.monotonic()
    if now - _warned_at.get(publisher, -WARN_EVERY_S) >= WARN_EVERY_S:
        _warned_at[publisher] = now
        log.warning("publisher's clock runs ahead", publisher=publisher, ahead_s=round(ahead_s, 1))
