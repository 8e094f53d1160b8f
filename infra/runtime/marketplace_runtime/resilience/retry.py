"""Decides when to retry and how many retries are allowed. Callers carry the decisions out."""

import random

from marketplace_runtime.resilience import metrics


def full_jitter(attempt: int, base_s: float, cap_s: float) -> float:
    """Return the seconds to wait after the `attempt`-th failure, counted from 1.

    They are uniform between 0 and a maximum: `base_s`, doubled for each further attempt, but at most `cap_s`. Follows
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("full jitter").
    """
    highest = min(cap_s, base_s * 2.0 ** min(max(attempt, 1) - 1, 60))
    return random.uniform(0, highest)  # noqa: S311 - spreads load, protects no secret


class RetryBudget:
    """Limits retries to a share of the requests, so that they cannot make an outage worse.

    It is a token bucket like Finagle's: each request deposits `ratio` of a token, each retry withdraws a whole one. The
    bucket starts with `initial_tokens` tokens and holds at most `max_tokens`.
    """

    def __init__(self, name: str, *, ratio: float = 0.2, initial_tokens: int = 3, max_tokens: int = 100) -> None:
        self._ratio = ratio
        self._max_tokens = float(max_tokens)
        self._tokens = float(initial_tokens)
        self._gauge = metrics.retry_budget_tokens.labels(name)
        self._gauge.set(initial_tokens)
        self._refused = metrics.retry_refused_total.labels(name)

    def deposit(self) -> None:
        """Count a request that is not a retry."""
        self._tokens = min(self._max_tokens, self._tokens + self._ratio)
        self._gauge.set(self._tokens)

    def withdraw(self) -> bool:
        """Withdraw a token for one retry. Returns False if the budget is used up."""
        if self._tokens < 1 - 1e-9:
            self._refused.inc()
            return False
        self._tokens -= 1
        self._gauge.set(self._tokens)
        return True
