"""Every metric of a process, defined once; names follow OpenTelemetry's conventions where it has one."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

publish_total = Counter("messaging_publish", "Events that the broker confirmed.", ["event_type"])
process_total = Counter("messaging_process", "Messages handled, by what became of them.", ["subscription", "outcome"])
process_duration = Histogram(
    "messaging_process_duration_seconds",
    "From taking a batch to its commit.",
    ["subscription"],
    buckets=_SECONDS,
)
consumption_paused = Gauge(
    "messaging_consumption_paused", "1 while a subscription waits for its infrastructure.", ["subscription"]
)
component_healthy = Gauge("component_healthy", "1 while a component that the process needs is well.", ["component"])
publisher_clock_ahead = Gauge(
    "publisher_clock_ahead_seconds", "How far the last event that came from the future was ahead.", ["publisher"]
)
outbox_pending = Gauge("outbox_pending", "Events committed and not yet confirmed by the broker.")
outbox_oldest = Gauge("outbox_oldest_seconds", "Since the first of them was said; 0 if there is none.")
outbox_set_aside_total = Counter("outbox_set_aside", "Events that cannot be published as they are.", ["event_type"])
scheduled_pending = Gauge("scheduled_pending", "Messages to be retried and deadlines to come.")
retries_pending = Gauge("retries_pending", "Messages that failed or were put off, and are retried.")
retries_oldest = Gauge("retries_oldest_seconds", "Since the first of them failed; 0 if there is none.")
swept_total = Counter("swept", "What got stuck, was found by a sweep, and set going again.", ["sweep"])
dead_letters = Gauge("dead_letters", "Letters that lie there for people to decide on.")

http_request_duration = Histogram(
    "http_server_request_duration_seconds",
    "From the request's head to the end of the answer.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)

circuit_state = Gauge("circuit_breaker_state", "0 closed, 1 half open, 2 open.", ["name"])
circuit_refused_total = Counter("circuit_breaker_refused", "Calls refused by an open circuit.", ["name"])
admission_in_use = Gauge("http_server_active_requests", "Requests under way.", ["service"])
admission_limit = Gauge("http_server_requests_limit", "Requests that may be under way.", ["service"])
admission_refused_total = Counter(
    "http_server_shed", "Requests refused at once because too many were under way.", ["service", "importance"]
)

retry_budget_tokens = Gauge("retry_budget_tokens", "Retries that may be made just now.", ["name"])
retry_refused_total = Counter("retry_budget_refused", "Retries not made for want of budget.", ["name"])

bulkhead_in_use = Gauge("bulkhead_in_use", "Calls under way.", ["name"])
bulkhead_limit = Gauge("bulkhead_limit", "Calls that may be under way.", ["name"])
bulkhead_refused_total = Counter("bulkhead_refused", "Calls refused because too many were under way.", ["name"])


def exposition() -> bytes:
    """The text that Prometheus scrapes."""
    return generate_latest(REGISTRY)
