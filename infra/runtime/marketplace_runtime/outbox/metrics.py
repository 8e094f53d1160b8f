"""Defines this package's metrics. Names follow OpenTelemetry's conventions if it has one."""

from prometheus_client import Counter, Gauge

publish_total = Counter("messaging_publish", "Events that the broker confirmed.", ["event_type"])
outbox_pending = Gauge("outbox_pending", "Events committed and not yet confirmed by the broker.")
outbox_oldest = Gauge("outbox_oldest_seconds", "Age of the oldest pending event in seconds; 0 if there is none.")
outbox_set_aside_total = Counter("outbox_set_aside", "Events that cannot be published as they are.", ["event_type"])
