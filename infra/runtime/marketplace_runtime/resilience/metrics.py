"""Defines the metrics of this package. Names follow OpenTelemetry's conventions where one exists."""

from prometheus_client import Counter, Gauge

circuit_state = Gauge("circuit_breaker_state", "State of the circuit: 0 closed, 1 half open, 2 open.", ["name"])
circuit_refused_total = Counter("circuit_breaker_refused", "Calls refused by an open circuit.", ["name"])
admission_in_use = Gauge("http_server_active_requests", "Requests under way.", ["service"])
admission_limit = Gauge("http_server_requests_limit", "Limit of requests under way.", ["service"])
admission_refused_total = Counter(
    "http_server_shed", "Requests refused at once because too many were under way.", ["service", "importance"]
)
retry_budget_tokens = Gauge("retry_budget_tokens", "Retries that the budget allows now.", ["name"])
retry_refused_total = Counter("retry_budget_refused", "Retries refused because the budget was used up.", ["name"])
bulkhead_in_use = Gauge("bulkhead_in_use", "Calls under way.", ["name"])
bulkhead_limit = Gauge("bulkhead_limit", "Limit of calls under way.", ["name"])
bulkhead_refused_total = Counter("bulkhead_refused", "Calls refused because too many were under way.", ["name"])
