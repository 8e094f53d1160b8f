"""When to try again, and how often that may be: pure decisions, carried out elsewhere."""

import random

from marketplace_runtime.resilience import metrics


def full_jitter(attempt: int, base_s: float, cap_s: float) -> float:
    """Seconds to wait after the `attempt`-th failure (from 1): uniform from 0 to `base_s` doubled each time, capped.

    After https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("full jitter").
    """
    highest = min(cap_s, base_s * 2.0 ** min(max(attempt, 1) - 1, 60))
    return random.uniform(0, highest)  # noqa: S311 - spreads load, keeps no secret


class RetryBudget:
    """Lets retries be at most a share of requests, so that they cannot make an outage worse.

    A token bucket after Finagle's: each request deposits `ratio` of a token, each retry withdraws a whole one.
    `minimum` tokens are there from the start, and the bucket holds `most` of them.
    """

    def __init__(self, name: str, *, ratio: float = 0.2, minimum: int = 3, most: int = 100) -> None:
        self._ratio = ratio
        self._most = float(most)
        self._tokens = float(minimum)
        self._gauge = metrics.retry_budget_tokens.labels(name)
        self._gauge.set(minimum)
        self._refused = metrics.retry_refused_total.labels(name)

    def deposit(self) -> None:
        """A request was made (not a retry)."""
        self._tokens = min(self._most, self._tokens + self._ratio)
        self._gauge.set(self._tokens)

    def withdraw(self) -> bool:
        """Whether one retry may be made; if so, it is paid for."""
        if self._tokens < 1 - 1e-9:
            self._refused.inc()
            return False
        self._tokens -= 1
        self._gauge.set(self._tokens)
        return True
