"""Limits how many requests a service handles at once, and refuses further ones at once, the least important first."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from marketplace_runtime.resilience import metrics
from marketplace_runtime.resilience.errors import Overloaded

MAX_CONCURRENT_REQUESTS = 100
"""Default."""

WINDOW_S = 1.0
"""Minimum time between two adjustments of the limit."""
MIN_SHARE = 0.25
"""Share of the configured limit that remains however slow all work is, so that a recovery is noticed."""
DECREASE_FACTOR, INCREASE_FACTOR = 0.7, 1.2
"""Factors of the limit after a window in which most work was slow, and after any other."""


class Importance(Enum):
    """The share of the limit that work of each importance may fill. The rest is reserved for more important work."""

    LOOK = 0.5
    """Reads: they can be repeated without harm."""
    CHANGE = 0.8
    """Other requests."""
    PROMISE = 1.0
    """What customers came for, and operators: refused last."""


class Admission:
    """Admits at most `limit` pieces of work at once: `with admission.admit(importance):`. Nothing waits for a place.

    If most of the work of the last second took longer than `slow_s`, the limit decreases, down to a quarter: the
    machine or something downstream does less than the limit assumes. Otherwise it increases again, up to `limit`.
    """

    def __init__(
        self, name: str, limit: int, *, slow_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = self._limit = float(limit)
        self._slow_s = slow_s
        self._clock = clock
        self._under_way = 0
        self._since, self._done, self._slow = clock(), 0, 0
        self._gauge = metrics.admission_in_use.labels(name)
        self._limit_gauge = metrics.admission_limit.labels(name)
        self._limit_gauge.set(limit)
        self._refused = {each: metrics.admission_refused_total.labels(name, each.name.lower()) for each in Importance}

    @contextmanager
    def admit(self, importance: Importance) -> Iterator[None]:
        """Occupy a place during the block. Raises `Overloaded` if none is left for work of this importance."""
        if self._under_way >= self._limit * importance.value:
            self._refused[importance].inc()
            raise Overloaded(f"{self._under_way} requests are under way")
        began = self._clock()
        self._under_way += 1
        self._gauge.set(self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1
            self._gauge.set(self._under_way)
            self._learn(began)

    def _learn(self, began: float) -> None:
        now = self._clock()
        self._done += 1
        self._slow += now - began > self._slow_s
        if now - self._since < WINDOW_S:
            return
        mostly_slow = 2 * self._slow > self._done
        limit = (
            max(self._limit * DECREASE_FACTOR, self._most * MIN_SHARE)
            if mostly_slow
            else min(self._limit * INCREASE_FACTOR, self._most)
        )
        self._since, self._done, self._slow, self._limit = now, 0, 0, limit
        self._limit_gauge.set(limit)
