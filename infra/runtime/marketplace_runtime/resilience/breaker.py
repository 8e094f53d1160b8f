"""Implements a circuit breaker over a sliding window of calls, with one probe at a time when half open."""

import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from types import TracebackType

from marketplace_runtime.resilience import metrics
from marketplace_runtime.resilience.errors import CircuitOpen, RateLimited
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)


class CircuitState(IntEnum):
    """The states of a circuit, numbered as in the gauge `circuit_breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Stops calls to a failing callee: while it is open, `async with breaker:` raises `CircuitOpen`.

    It considers the last `window` calls. It opens when these are `minimum_calls` or more, and the share of failures
    among them reaches `failure_ratio`. A failure is one of `errors`. Other exceptions show that the callee answers, and
    count as success. A cancelled call does not count.

    After `open_for_s` seconds it is half open and admits one call at a time, the probe: success closes it, failure
    opens it again. `RateLimited` opens it at once, for the time that the callee asked for.
    """

    def __init__(
        self,
        name: str,
        *,
        errors: tuple[type[Exception], ...] = (Exception,),
        window: int = 20,
        failure_ratio: float = 0.5,
        minimum_calls: int = 5,
        open_for_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._errors = errors
        self._failure_ratio = failure_ratio
        self._minimum_calls = minimum_calls
        self._default_open_s = open_for_s
        self._clock = clock
        self._failed: deque[bool] = deque(maxlen=window)
        self._state = CircuitState.CLOSED
        self._opened_at = 0.0
        self._current_open_s = open_for_s
        """Seconds for which it stays open this time: the default, or the time that the callee asked for."""
        self._generation = 0
        """Number of state changes so far. Results of calls that an earlier generation admitted are ignored."""
        self._admitted_generation: ContextVar[int] = ContextVar(f"circuit-{name}")
        self._refused = metrics.circuit_refused_total.labels(name)
        self._gauge = metrics.circuit_state.labels(name)
        self._gauge.set(CircuitState.CLOSED)

    async def __aenter__(self) -> None:
        self._admitted_generation.set(self.admit())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        generation = self._admitted_generation.get()
        if error is None:
            self.record(generation, failed=False)
        elif isinstance(error, RateLimited):
            self.open_for(generation, error.retry_after_s)
        elif isinstance(error, Exception):
            self.record(generation, failed=isinstance(error, self._errors))
        else:
            self.record_cancelled(generation)

    @property
    def state(self) -> CircuitState:
        """Return the state as of the last call."""
        return self._state

    def admit(self) -> int:
        """Admit a call, or raise `CircuitOpen`. Returns the generation that the call's result belongs to."""
        if self._state is CircuitState.OPEN and self._clock() - self._opened_at >= self._current_open_s:
            self._change_state(CircuitState.HALF_OPEN)
            return self._generation
        if self._state is not CircuitState.CLOSED:
            self._refused.inc()
            left_s = (
                max(0.0, self._opened_at + self._current_open_s - self._clock())
                if self._state is CircuitState.OPEN
                else 0.5  # until the result of the probe may be known
            )
            raise CircuitOpen(f"circuit breaker of {self._name} refuses calls, retry in {left_s:.1f} s", left_s)
        return self._generation

    def record(self, generation: int, *, failed: bool) -> None:
        """Count the result of a call. Ignores calls of an earlier generation, which do not show the current state."""
        if generation != self._generation:
            return
        if self._state is CircuitState.HALF_OPEN:
            self._change_state(CircuitState.OPEN if failed else CircuitState.CLOSED)
            return
        self._failed.append(failed)
        calls, failures = len(self._failed), sum(self._failed)
        if failed and calls >= self._minimum_calls and failures >= self._failure_ratio * calls:
            self._change_state(CircuitState.OPEN)

    def open_for(self, generation: int, for_s: float) -> None:
        """Open the circuit for `for_s` seconds, as the callee asked in a call of this generation."""
        if generation == self._generation:
            self._change_state(CircuitState.OPEN)
            self._current_open_s = for_s

    def record_cancelled(self, generation: int) -> None:
        """Ignore a call that was cancelled. If it was the probe, the next call is the probe."""
        if generation == self._generation and self._state is CircuitState.HALF_OPEN:
            opened_at, open_s = self._opened_at, self._current_open_s
            self._change_state(CircuitState.OPEN)
            self._opened_at, self._current_open_s = opened_at, open_s

    def _change_state(self, state: CircuitState) -> None:
        log.warning("circuit breaker changed state", circuit=self._name, state=state.name.lower())
        self._state = state
        self._generation += 1
        self._failed.clear()
        self._gauge.set(state)
        if state is CircuitState.OPEN:
            self._opened_at, self._current_open_s = self._clock(), self._default_open_s
