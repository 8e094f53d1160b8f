"""What keeps one failing neighbour, or a crowd, from failing us: breaker, bulkhead, admission, retry budget, jitter."""

from infra.resilience.admission import MOST_AT_ONCE, Admission, Importance
from infra.resilience.breaker import CircuitBreaker, State
from infra.resilience.bulkhead import Bulkhead
from infra.resilience.errors import BulkheadFull, CircuitOpen, Overloaded, Refused
from infra.resilience.retry import RetryBudget, full_jitter

__all__ = [
    "MOST_AT_ONCE",
    "Admission",
    "Bulkhead",
    "BulkheadFull",
    "CircuitBreaker",
    "CircuitOpen",
    "Importance",
    "Overloaded",
    "Refused",
    "RetryBudget",
    "State",
    "full_jitter",
]
