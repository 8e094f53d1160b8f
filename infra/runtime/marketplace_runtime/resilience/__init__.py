"""Protects a service from failing callees and from overload: deadline, circuit breaker, bulkhead, admission, retry
budget, jitter."""

from marketplace_runtime.resilience.admission import MAX_CONCURRENT_REQUESTS, Admission, Priority
from marketplace_runtime.resilience.breaker import CircuitBreaker, CircuitState
from marketplace_runtime.resilience.bulkhead import Bulkhead
from marketplace_runtime.resilience.callee import (
    Callee,
    CallError,
    CallPostponed,
    NotSent,
    OutcomeUnknown,
    ServerError,
    parse_retry_after,
)
from marketplace_runtime.resilience.deadline import cap_to_deadline, remaining_s, within
from marketplace_runtime.resilience.errors import (
    BulkheadFull,
    CircuitOpen,
    DeadlineExceeded,
    NoTimeLeft,
    Overloaded,
    Refused,
)
from marketplace_runtime.resilience.retry import RetryBudget, full_jitter

__all__ = [
    "MAX_CONCURRENT_REQUESTS",
    "Admission",
    "Bulkhead",
    "BulkheadFull",
    "CallError",
    "CallPostponed",
    "Callee",
    "CircuitBreaker",
    "CircuitOpen",
    "CircuitState",
    "DeadlineExceeded",
    "NoTimeLeft",
    "NotSent",
    "OutcomeUnknown",
    "Overloaded",
    "Priority",
    "Refused",
    "RetryBudget",
    "ServerError",
    "cap_to_deadline",
    "full_jitter",
    "parse_retry_after",
    "remaining_s",
    "within",
]
