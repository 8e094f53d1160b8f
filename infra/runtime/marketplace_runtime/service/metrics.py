"""Metrics of this package; names follow OpenTelemetry's conventions where it has one."""

from prometheus_client import Counter, Gauge

component_healthy = Gauge("component_healthy", "1 while a component that the process needs is well.", ["component"])
swept_total = Counter("swept", "What got stuck, was found by a sweep, and set going again.", ["sweep"])
