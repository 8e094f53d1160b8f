"""Metrics of this package; names follow OpenTelemetry's conventions where it has one."""

from prometheus_client import Gauge

scheduled_pending = Gauge("scheduled_pending", "Messages to be retried and deadlines to come.")
retries_pending = Gauge("retries_pending", "Messages that failed or were put off, and are retried.")
retries_oldest = Gauge("retries_oldest_seconds", "Since the first of them failed; 0 if there is none.")
