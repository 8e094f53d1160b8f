"""A circuit breaker over a sliding window of calls, with one probe when half open."""

import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from types import TracebackType

from marketplace_runtime.resilience import metrics
from marketplace_runtime.resilience.errors import AskedToWait, CircuitOpen
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)


class State(IntEnum):
    """As the gauge `circuit_breaker_state` shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Leaves a failing callee alone: `async with breaker:` around each call; raises `CircuitOpen` instead of calling.

    It opens when, of the last `window` calls, at least `minimum_calls` of them, a share of `failure_ratio` or more
    failed by one of `counts`. After `open_for_s` it is half open and admits one call, the probe, at a time: success
    closes it, failure opens it again. Other exceptions show that the callee answers, and count as success; a
    cancelled call counts as nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        counts: tuple[type[Exception], ...] = (Exception,),
        window: int = 20,
        failure_ratio: float = 0.5,
        minimum_calls: int = 5,
        open_for_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._counts = counts
        self._failure_ratio = failure_ratio
        self._minimum_calls = minimum_calls
        self._open_for_s = open_for_s
        self._clock = clock
        self._failed: deque[bool] = deque(maxlen=window)
        self._state = State.CLOSED
        self._opened_at = 0.0
        self._open_s = open_for_s
        """How long it stays open this time."""
        self._era = 0
        self._entered: ContextVar[int] = ContextVar(f"circuit-{name}")
        self._refused = metrics.circuit_refused_total.labels(name)
        self._gauge = metrics.circuit_state.labels(name)
        self._gauge.set(State.CLOSED)

    async def __aenter__(self) -> None:
        self._entered.set(self.admit())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        era = self._entered.get()
        if error is None:
            self.record(era, failed=False)
        elif isinstance(error, AskedToWait):
            self.leave_alone(era, error.retry_after_s)
        elif isinstance(error, Exception):
            self.record(era, failed=isinstance(error, self._counts))
        else:
            self.abandon(era)

    @property
    def state(self) -> State:
        """As of the last call."""
        return self._state

    def admit(self) -> int:
        """Let a call through, or raise `CircuitOpen`. Returns the era that the call's result belongs to."""
        if self._state is State.OPEN and self._clock() - self._opened_at >= self._open_s:
            self._enter(State.HALF_OPEN)
            return self._era
        if self._state is not State.CLOSED:
            self._refused.inc()
            left_s = max(0.0, self._opened_at + self._open_s - self._clock()) if self._state is State.OPEN else 0.5
            raise CircuitOpen(f"{self._name} is left alone for {left_s:.1f} s", left_s)
        return self._era

    def record(self, era: int, *, failed: bool) -> None:
        """A call ended. One admitted before the circuit last changed tells nothing about now."""
        if era != self._era:
            return
        if self._state is State.HALF_OPEN:
            self._enter(State.OPEN if failed else State.CLOSED)
            return
        self._failed.append(failed)
        calls, failures = len(self._failed), sum(self._failed)
        if failed and calls >= self._minimum_calls and failures >= self._failure_ratio * calls:
            self._enter(State.OPEN)

    def leave_alone(self, era: int, for_s: float) -> None:
        """The callee asked to be left alone for so long, in the call that was admitted in this era."""
        if era == self._era:
            self._enter(State.OPEN)
            self._open_s = for_s

    def abandon(self, era: int) -> None:
        """A call was cancelled. If it was the probe, the next call is one."""
        if era == self._era and self._state is State.HALF_OPEN:
            opened_at, open_s = self._opened_at, self._open_s
            self._enter(State.OPEN)
            self._opened_at, self._open_s = opened_at, open_s

    def _enter(self, state: State) -> None:
        log.warning("circuit breaker changes", circuit=self._name, state=state.name.lower())
        self._state = state
        self._era += 1
        self._failed.clear()
        self._gauge.set(state)
        if state is State.OPEN:
            self._opened_at, self._open_s = self._clock(), self._open_for_s
