"""Stores samples of processes and queues by second. A second without an answer is missing."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from infra.lab.watch.figures import Figures, combine_replicas

T = TypeVar("T")
MAX_AGE_S = 3
RATE_WINDOW_S = 5


class Samples:
    """The samples of a stack, by the Unix second of their request."""

    def __init__(self) -> None:
        self.replicas: defaultdict[str, dict[int, Figures]] = defaultdict(dict)
        """Figures by replica (such as `cart.1`) and second."""
        self.queues: dict[int, Mapping[str, int]] = {}
        """Ready messages by second and queue."""

    def service(self, name: str, second: int) -> Figures | None:
        """Return the figures of a service in that second, or None if no replica answered."""
        seen = [series[second] for series in self._of(name) if second in series]
        return combine_replicas(seen) if seen else None

    def latest(self, name: str, now: int) -> Figures | None:
        """Return the latest figures of a service, or None if it has none in the last `MAX_AGE_S` seconds."""
        return next(filter(None, (self.service(name, now - ago) for ago in range(MAX_AGE_S))), None)

    def rate(self, name: str, now: int, total_of: Callable[[Figures], float]) -> float | None:
        """Return the growth per second of a total (`total_of`), over the last `RATE_WINDOW_S` seconds.

        Returns None if there are too few samples.
        """
        rates = [rate for series in self._of(name) if (rate := _rate(series, now, total_of)) is not None]
        return sum(rates) if rates else None

    def depth(self, name: str, second: int) -> int | None:
        """Return the ready messages in a service's queues, or None if the broker did not answer."""
        queues = self.queues.get(second)
        return None if queues is None else sum(n for queue, n in queues.items() if queue.startswith(f"{name}."))

    def latest_depth(self, name: str, now: int) -> int | None:
        """Return the latest `depth` of a service, or None if there is none in the last `MAX_AGE_S` seconds."""
        return next((depth for ago in range(MAX_AGE_S) if (depth := self.depth(name, now - ago)) is not None), None)

    def latest_depths(self, now: int) -> Mapping[str, int] | None:
        """Return the latest depth of every queue, or None if there is none in the last `MAX_AGE_S` seconds."""
        return next(filter(None, (self.queues.get(now - ago) for ago in range(MAX_AGE_S))), None)

    def backlog(self, services: Sequence[str]) -> dict[int, float]:
        """Return the events in queues and outboxes, by second. Omits seconds in which a part did not answer."""
        found = {}
        for second, depths in self.queues.items():
            outboxes = [seen.outbox if (seen := self.service(name, second)) else None for name in services]
            known = [each for each in outboxes if each is not None]
            if len(known) == len(services):
                found[second] = sum(known) + sum(depths.values())
        return found

    def drop_before(self, second: int) -> None:
        """Drop all samples before this second."""
        self.queues = _since(second, self.queues)
        for replica, series in self.replicas.items():
            self.replicas[replica] = _since(second, series)

    def _of(self, service: str) -> Iterator[dict[int, Figures]]:
        return (series for replica, series in self.replicas.items() if replica.rpartition(".")[0] == service)


def _since(second: int, series: Mapping[int, T]) -> dict[int, T]:
    return {at: value for at, value in series.items() if at >= second}


def _rate(series: Mapping[int, Figures], now: int, total_of: Callable[[Figures], float]) -> float | None:
    seconds = [second for second in range(now - RATE_WINDOW_S, now + 1) if second in series]
    if len(seconds) < 2 or now - seconds[-1] > MAX_AGE_S:
        return None
    gained = 0.0
    for one, other in pairwise(seconds):
        before, after = total_of(series[one]), total_of(series[other])
        gained += after - before if after >= before else after  # the process restarted, so its total began at 0
    return gained / (seconds[-1] - seconds[0])
