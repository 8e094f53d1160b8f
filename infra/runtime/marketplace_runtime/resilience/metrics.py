"""Metrics of this package; names follow OpenTelemetry's conventions where it has one."""

from prometheus_client import Counter, Gauge

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
