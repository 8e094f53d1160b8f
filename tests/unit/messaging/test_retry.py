"""The decision after a failure: retry after a pause, or give up."""

import random
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_runtime.amqp import InvalidMessage, UnknownVersion
from marketplace_runtime.resilience import CallPostponed, CircuitOpen
from marketplace_runtime.scheduler.retry_policy import (
    BASE_DELAY_S,
    MAX_DELAY_S,
    MIN_PROPORTIONAL_DELAY_S,
    GiveUp,
    Reject,
    RetryLater,
    RunAgain,
    decide,
    proportional_delay,
)

attempts = st.integers(min_value=1, max_value=10_000)


@given(attempt=attempts, more=attempts, seed=st.integers())
def test_a_pause_is_between_zero_and_a_limit_that_doubles(attempt: int, more: int, seed: int) -> None:
    decision = decide(LookupError(), attempt=attempt, attempts=attempt + more, rng=random.Random(seed))
    assert isinstance(decision, RunAgain)
    assert (
        timedelta(0) <= decision.delay <= timedelta(seconds=min(MAX_DELAY_S, BASE_DELAY_S * 2 ** min(attempt - 1, 30)))
    )


@given(attempt=attempts, fewer=st.integers(min_value=0, max_value=9_999), seed=st.integers())
def test_a_message_is_given_up_after_its_last_attempt(attempt: int, fewer: int, seed: int) -> None:
    decision = decide(LookupError(), attempt=attempt, attempts=max(1, attempt - fewer), rng=random.Random(seed))
    assert decision == GiveUp("attempts-exhausted")


@given(attempt=attempts, allowed=attempts, seed=st.integers())
def test_a_message_that_can_never_be_handled_is_given_up_at_once(attempt: int, allowed: int, seed: int) -> None:
    rng = random.Random(seed)
    assert decide(Reject("no"), attempt=attempt, attempts=allowed, rng=rng) == GiveUp("rejected")
    invalid = InvalidMessage("not-json", "the body is no JSON")
    assert decide(invalid, attempt=attempt, attempts=allowed, rng=rng) == GiveUp("not-json")


@given(attempt=attempts, more=attempts, seed=st.integers())
def test_an_unknown_version_is_retried_up_to_the_last_attempt(attempt: int, more: int, seed: int) -> None:
    unknown, rng = UnknownVersion("v9 is not understood here"), random.Random(seed)
    assert isinstance(decide(unknown, attempt=attempt, attempts=attempt + more, rng=rng), RunAgain)
    assert decide(unknown, attempt=attempt, attempts=attempt, rng=rng) == GiveUp("unknown-version")


@given(delay=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=7)))
def test_a_handler_can_set_its_own_pause_without_using_an_attempt(delay: timedelta) -> None:
    decision = decide(RetryLater(delay), attempt=2, attempts=2, rng=random.Random(0))
    assert decision == RunAgain(delay, counts_as_attempt=False)


@pytest.mark.parametrize(
    ("failing_for", "decision"),
    [
        (timedelta(hours=23), RunAgain(timedelta(seconds=1), counts_as_attempt=False)),
        (timedelta(hours=24), GiveUp("waited-too-long")),
    ],
)
def test_a_handler_can_limit_the_time_that_it_waits(failing_for: timedelta, decision: RunAgain | GiveUp) -> None:
    error = RetryLater(timedelta(seconds=1), give_up_after=timedelta(days=1))
    assert decide(error, attempt=1, attempts=2, rng=random.Random(0), failing_for=failing_for) == decision


@pytest.mark.parametrize(
    "error",
    [CallPostponed("payments-a: 429", 20.0), CircuitOpen("circuit breaker of mail refuses calls", 20.0)],
    ids=["429", "circuit"],
)
@pytest.mark.parametrize("attempts", [1, None])
def test_a_call_that_was_not_made_uses_no_attempt(error: Exception, attempts: int | None) -> None:
    decision = decide(error, attempt=1, attempts=attempts, rng=random.Random(0))
    assert decision == RunAgain(timedelta(seconds=20), counts_as_attempt=False)


@given(attempt=attempts, failing_for=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_an_owed_event_is_never_given_up(attempt: int, failing_for: timedelta) -> None:
    decision = decide(OSError(), attempt=attempt, attempts=None, rng=random.Random(attempt), failing_for=failing_for)
    assert isinstance(decision, RunAgain)
    assert decision.counts_as_attempt


def test_an_owed_event_is_retried_at_intervals_that_grow_to_an_hour() -> None:
    rng, elapsed, times = random.Random(7), timedelta(0), []
    while elapsed < timedelta(days=10):
        pause = proportional_delay(elapsed, rng)
        assert pause <= max(timedelta(seconds=MIN_PROPORTIONAL_DELAY_S), elapsed / 2)  # adds at most half of the outage
        elapsed += pause
        times.append(elapsed)
    assert len([each for each in times if each <= timedelta(hours=2)]) < 40
    assert max(later - earlier for earlier, later in pairwise(times)) <= timedelta(hours=1)
    assert len([each for each in times if each > timedelta(days=1)]) < 9 * 24 * 1.5


def test_pauses_are_spread_so_that_simultaneous_failures_are_not_retried_together() -> None:
    rng = random.Random(3)
    pauses = [decide(LookupError(), attempt=7, attempts=12, rng=rng) for _ in range(400)]
    seconds = sorted(each.delay.total_seconds() for each in pauses if isinstance(each, RunAgain))
    assert len(seconds) == 400
    assert seconds[0] < 0.1 * MAX_DELAY_S
    assert seconds[-1] > 0.9 * MAX_DELAY_S
    assert sum(seconds) / 400 == pytest.approx(MAX_DELAY_S / 2, rel=0.1)
