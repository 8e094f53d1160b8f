"""Exposes the metrics of a process to Prometheus. Each package defines its own metrics."""

from prometheus_client import REGISTRY, generate_latest

EXPOSITION_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def exposition() -> bytes:
    """Return the text that Prometheus scrapes."""
    return generate_latest(REGISTRY)
