"""What keeps one failing neighbour from failing us: breaker, bulkhead, retry budget, jitter."""

from infra.resilience.breaker import CircuitBreaker, State
from infra.resilience.bulkhead import Bulkhead
from infra.resilience.errors import BulkheadFull, CircuitOpen, Refused
from infra.resilience.retry import RetryBudget, full_jitter

__all__ = [
    "Bulkhead",
    "BulkheadFull",
    "CircuitBreaker",
    "CircuitOpen",
    "Refused",
    "RetryBudget",
    "State",
    "full_jitter",
]
