"""A circuit breaker stops calls to a failing callee, and probes it again with a single call."""

import asyncio
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from marketplace_runtime.resilience import CircuitBreaker, CircuitOpen, CircuitState
from marketplace_runtime.telemetry import exposition
from tests.examples import examples

names = (f"test-{number}" for number in count())


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Failed(Exception):
    pass


def a_breaker(clock: Clock | None = None) -> CircuitBreaker:
    return CircuitBreaker(next(names), errors=(Failed,), open_for_s=5.0, clock=clock or Clock())


async def failing(breaker: CircuitBreaker, error: type[BaseException] = Failed) -> None:
    with pytest.raises(error):
        async with breaker:
            raise error


async def an_open_breaker(clock: Clock) -> CircuitBreaker:
    breaker = a_breaker(clock)
    for _ in range(5):
        await failing(breaker)
    assert breaker.state is CircuitState.OPEN
    return breaker


async def test_a_breaker_opens_at_the_failure_ratio_after_a_minimum_of_calls() -> None:
    breaker = a_breaker()
    for _ in range(4):
        await failing(breaker)
    assert breaker.state is CircuitState.CLOSED
    await failing(breaker)
    with pytest.raises(CircuitOpen):
        async with breaker:
            pytest.fail("the call was made")


async def test_a_breaker_stays_closed_below_the_failure_ratio() -> None:
    breaker = a_breaker()
    for number in range(60):
        if number % 3 == 2:
            await failing(breaker)
        else:
            async with breaker:
                pass
    assert breaker.state is CircuitState.CLOSED


async def test_only_the_listed_exceptions_count() -> None:
    breaker = a_breaker()
    for _ in range(20):
        await failing(breaker, ValueError)
    assert breaker.state is CircuitState.CLOSED


async def test_a_successful_probe_closes_a_breaker_and_a_failed_one_reopens_it() -> None:
    clock = Clock()
    breaker = await an_open_breaker(clock)
    clock.now += 5
    await failing(breaker)
    assert breaker.state is CircuitState.OPEN
    clock.now += 4.9
    with pytest.raises(CircuitOpen):
        async with breaker:
            pytest.fail("the call was made")
    clock.now += 0.1
    async with breaker:
        assert breaker.state is CircuitState.HALF_OPEN
    assert breaker.state is CircuitState.CLOSED


async def test_a_half_open_breaker_lets_one_of_ten_concurrent_calls_through() -> None:
    clock = Clock()
    breaker = await an_open_breaker(clock)
    clock.now += 5
    release = asyncio.Event()
    made = 0

    async def call() -> str:
        nonlocal made
        try:
            async with breaker:
                made += 1
                await release.wait()
        except CircuitOpen:
            return "refused"
        return "made"

    calls = [asyncio.create_task(call()) for _ in range(10)]
    for _ in range(5):  # enough iterations for every call to begin
        await asyncio.sleep(0)
    release.set()
    assert sorted(await asyncio.gather(*calls)) == ["made"] + ["refused"] * 9
    assert made == 1


async def test_after_a_cancelled_probe_the_next_call_is_a_probe() -> None:
    clock = Clock()
    breaker = await an_open_breaker(clock)
    clock.now += 5
    await failing(breaker, asyncio.CancelledError)
    assert breaker.state is CircuitState.OPEN
    async with breaker:
        pass
    assert breaker.state is CircuitState.CLOSED


async def test_a_call_from_before_the_breaker_opened_does_not_decide_the_probe() -> None:
    clock = Clock()
    breaker = a_breaker(clock)
    old = breaker.admit()
    for _ in range(5):
        await failing(breaker)
    clock.now += 5
    probe = breaker.admit()
    breaker.record(old, failed=False)
    assert breaker.state is CircuitState.HALF_OPEN
    breaker.record(probe, failed=True)
    assert breaker.state is CircuitState.OPEN


async def test_the_state_of_a_breaker_is_a_metric() -> None:
    clock = Clock()
    breaker = await an_open_breaker(clock)
    assert f'circuit_breaker_state{{name="{breaker._name}"}} 2.0' in exposition().decode()


class AnyCourse(RuleBasedStateMachine):
    """Calls begin, and end in any order and way, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker("any-course", errors=(Failed,), open_for_s=5.0, clock=self.clock)
        self.running: list[tuple[int, bool]] = []
        """Each running call: its generation, and whether it is a probe."""

    @rule()
    def begin(self) -> None:
        before = self.breaker.state
        try:
            generation = self.breaker.admit()
        except CircuitOpen:
            assert before is not CircuitState.CLOSED
        else:
            self.running.append((generation, before is not CircuitState.CLOSED))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(min_value=0), how=st.sampled_from(["succeeded", "failed", "failed", "cancelled"]))
    def end(self, which: int, how: str) -> None:
        generation, probe = self.running.pop(which % len(self.running))
        before = self.breaker.state
        if how == "cancelled":
            self.breaker.record_cancelled(generation)
        else:
            self.breaker.record(generation, failed=how == "failed")
        if probe:
            assert self.breaker.state is (CircuitState.CLOSED if how == "succeeded" else CircuitState.OPEN)
        elif before is not CircuitState.CLOSED:
            assert self.breaker.state is before

    @rule(seconds=st.floats(min_value=0, max_value=6))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def at_most_one_probe_runs(self) -> None:
        probes = sum(probe for _, probe in self.running)
        assert probes == (self.breaker.state is CircuitState.HALF_OPEN)


TestAnyCourse = AnyCourse.TestCase
TestAnyCourse.settings = settings(max_examples=examples(100), stateful_step_count=40, deadline=None)


@given(st.lists(st.booleans(), max_size=200))
def test_a_breaker_opens_exactly_when_the_window_reaches_the_ratio(results: list[bool]) -> None:
    breaker = CircuitBreaker("window", window=10, failure_ratio=0.5, minimum_calls=4, clock=Clock())
    window: list[bool] = []
    for failed in results:
        breaker.record(breaker.admit(), failed=failed)
        window = [*window, failed][-10:]
        if failed and len(window) >= 4 and sum(window) * 2 >= len(window):
            assert breaker.state is CircuitState.OPEN
            return
        assert breaker.state is CircuitState.CLOSED
