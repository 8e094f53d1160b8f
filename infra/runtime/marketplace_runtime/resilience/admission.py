"""Limits the concurrent requests of a service. Refuses further ones immediately, the least important first."""

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


class Priority(Enum):
    """The share of the limit that work of each priority may fill. The rest is reserved for work of higher priority."""

    READ = 0.5
    """Reads: they can be repeated without harm."""
    WRITE = 0.8
    """Other requests."""
    CRITICAL = 1.0
    """The main purpose of the service, such as a checkout, and requests of operators: refused last."""


LABELS = {Priority.READ: "look", Priority.WRITE: "change", Priority.CRITICAL: "promise"}
"""Values of the metric label `importance`. They are older than the names, and dashboards use them."""


class Admission:
    """Admits at most `limit` pieces of work at once: `with admission.admit(priority):`. Nothing waits for a place.

    If most of the work of the last second took longer than `slow_s`, the limit decreases, down to a quarter: the
    machine or a dependency is slower than the limit assumes. Otherwise it increases again, up to `limit`.
    """

    def __init__(
        self, name: str, limit: int, *, slow_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_limit = self._limit = float(limit)
        self._slow_s = slow_s
        self._clock = clock
        self._active = 0
        self._window_started_at, self._finished_in_window, self._slow_in_window = clock(), 0, 0
        self._gauge = metrics.admission_in_use.labels(name)
        self._limit_gauge = metrics.admission_limit.labels(name)
        self._limit_gauge.set(limit)
        self._refused = {each: metrics.admission_refused_total.labels(name, label) for each, label in LABELS.items()}

    @contextmanager
    def admit(self, priority: Priority) -> Iterator[None]:
        """Occupy a place during the block. Raises `Overloaded` if none is left for work of this priority."""
        if self._active >= self._limit * priority.value:
            self._refused[priority].inc()
            raise Overloaded(f"{self._active} requests are under way")
        began = self._clock()
        self._active += 1
        self._gauge.set(self._active)
        try:
            yield
        finally:
            self._active -= 1
            self._gauge.set(self._active)
            self._adjust_limit(began)

    def _adjust_limit(self, began: float) -> None:
        now = self._clock()
        self._finished_in_window += 1
        self._slow_in_window += now - began > self._slow_s
        if now - self._window_started_at < WINDOW_S:
            return
        mostly_slow = 2 * self._slow_in_window > self._finished_in_window
        limit = (
            max(self._limit * DECREASE_FACTOR, self._max_limit * MIN_SHARE)
            if mostly_slow
            else min(self._limit * INCREASE_FACTOR, self._max_limit)
        )
        self._window_started_at, self._finished_in_window, self._slow_in_window, self._limit = now, 0, 0, limit
        self._limit_gauge.set(limit)
