"""A bound on what a service takes on at once: what is too much is refused at once, the cheapest first."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from infra.resilience.errors import Overloaded
from infra.telemetry import metrics

MOST_AT_ONCE = 100
"""Where nobody says otherwise."""


class Importance(Enum):
    """How much of the limit a kind of work may fill: what is left over is for what matters more."""

    LOOK = 0.5
    """Asked again without harm."""
    CHANGE = 0.8
    PROMISE = 1.0
    """What customers came for: refused last."""


class Admission:
    """At most `limit` pieces of work at once: `with admission.admit(importance):`. Nobody waits for a place."""

    def __init__(self, name: str, limit: int) -> None:
        self._limit = limit
        self._under_way = 0
        self._gauge = metrics.admission_in_use.labels(name)
        self._refused = {each: metrics.admission_refused_total.labels(name, each.name.lower()) for each in Importance}

    @contextmanager
    def admit(self, importance: Importance) -> Iterator[None]:
        """Raises `Overloaded` where work of this importance finds no place."""
        if self._under_way >= self._limit * importance.value:
            self._refused[importance].inc()
            raise Overloaded(f"{self._under_way} requests are under way")
        self._under_way += 1
        self._gauge.set(self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1
            self._gauge.set(self._under_way)
