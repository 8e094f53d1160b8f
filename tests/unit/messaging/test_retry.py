"""What follows a failure: again after a pause, or never."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.messaging import Invalid, Reject, RetryLater
from infra.messaging.errors import UnknownVersion
from infra.messaging.retry import BASE_S, CAP_S, Again, Dead, after

attempts = st.integers(min_value=1, max_value=10_000)


@given(attempt=attempts, more=attempts, seed=st.integers())
def test_a_pause_lies_between_nothing_and_its_doubling_ceiling(attempt: int, more: int, seed: int) -> None:
    decision = after(LookupError(), attempt=attempt, attempts=attempt + more, chance=random.Random(seed))
    assert isinstance(decision, Again)
    assert timedelta(0) <= decision.delay <= timedelta(seconds=min(CAP_S, BASE_S * 2 ** min(attempt - 1, 30)))


@given(attempt=attempts, fewer=st.integers(min_value=0, max_value=9_999), seed=st.integers())
def test_the_last_attempt_is_the_last(attempt: int, fewer: int, seed: int) -> None:
    for error in (LookupError(), RetryLater(timedelta(seconds=1))):
        decision = after(error, attempt=attempt, attempts=max(1, attempt - fewer), chance=random.Random(seed))
        assert decision == Dead("attempts-exhausted")


@given(attempt=attempts, allowed=attempts, seed=st.integers())
def test_what_can_never_be_handled_is_given_up_at_once(attempt: int, allowed: int, seed: int) -> None:
    chance = random.Random(seed)
    assert after(Reject("no"), attempt=attempt, attempts=allowed, chance=chance) == Dead("rejected")
    invalid = Invalid("not-json", "the body is no JSON")
    assert after(invalid, attempt=attempt, attempts=allowed, chance=chance) == Dead("not-json")


@given(attempt=attempts, more=attempts, seed=st.integers())
def test_an_unknown_version_is_tried_again_until_its_attempts_are_used_up(attempt: int, more: int, seed: int) -> None:
    unknown, chance = UnknownVersion("v9 is not understood here"), random.Random(seed)
    assert isinstance(after(unknown, attempt=attempt, attempts=attempt + more, chance=chance), Again)
    assert after(unknown, attempt=attempt, attempts=attempt, chance=chance) == Dead("unknown-version")


@given(delay=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=7)))
def test_a_handler_sets_its_own_pause(delay: timedelta) -> None:
    assert after(RetryLater(delay), attempt=1, attempts=2, chance=random.Random(0)) == Again(delay)


def test_pauses_spread_out_so_that_what_failed_together_does_not_come_back_together() -> None:
    chance = random.Random(3)
    pauses = [after(LookupError(), attempt=7, attempts=12, chance=chance) for _ in range(400)]
    seconds = sorted(each.delay.total_seconds() for each in pauses if isinstance(each, Again))
    assert len(seconds) == 400
    assert seconds[0] < 0.1 * CAP_S
    assert seconds[-1] > 0.9 * CAP_S
    assert sum(seconds) / 400 == pytest.approx(CAP_S / 2, rel=0.1)
