"""Protects a service from failing callees and from overload: deadline, circuit breaker, bulkhead, admission, retry
budget, jitter."""

from marketplace_runtime.resilience.admission import MAX_CONCURRENT_REQUESTS, Admission, Importance
from marketplace_runtime.resilience.breaker import CircuitBreaker, State
from marketplace_runtime.resilience.bulkhead import Bulkhead
from marketplace_runtime.resilience.callee import Callee, CallError, Failing, LeftAlone, NotSent, OutcomeUnknown, wait_s
from marketplace_runtime.resilience.deadline import at_most, remaining_s, within
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
    "Callee",
    "CircuitBreaker",
    "CircuitOpen",
    "DeadlineExceeded",
    "Failing",
    "Importance",
    "LeftAlone",
    "NoTimeLeft",
    "NotSent",
    "OutcomeUnknown",
    "Overloaded",
    "Refused",
    "RetryBudget",
    "State",
    "at_most",
    "full_jitter",
    "remaining_s",
    "wait_s",
    "within",
]
