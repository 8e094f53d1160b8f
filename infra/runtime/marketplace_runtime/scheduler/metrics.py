"""Defines the metrics of this package. Names follow OpenTelemetry's conventions where there is one."""

from prometheus_client import Gauge

scheduled_pending = Gauge("scheduled_pending", "Entries of the schedule: retries, deadlines, parked and dead events.")
retries_pending = Gauge("retries_pending", "Messages that failed or were postponed, and will be retried.")
retries_oldest = Gauge(
    "retries_oldest_seconds", "Time since the oldest message to retry first failed; 0 if there is none."
)
