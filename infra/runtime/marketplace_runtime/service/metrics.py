"""Defines the metrics of this package. Names follow OpenTelemetry's conventions where one exists."""

from prometheus_client import Counter, Gauge

component_healthy = Gauge(
    "component_healthy", "1 while a component that the process needs is `ok`, otherwise 0.", ["component"]
)
swept_total = Counter("swept", "Stuck items that a sweep found and restarted.", ["sweep"])
