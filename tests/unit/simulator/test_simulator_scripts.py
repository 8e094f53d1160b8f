"""A session's script is determined by the seed and the session's number."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.lab.simulator.popularity import Popularity
from infra.lab.simulator.script import Cancel, ChangePrice, CheckOut, Put, Replace, Restock, Script, script_of
from infra.lab.simulator.traffic import Profile

POPULARITY = Popularity(40)


def scripts(profile: Profile, count: int = 4000, seed: int = 42) -> list[Script]:
    return [script_of(seed, number, profile, POPULARITY) for number in range(count)]


@given(st.integers(), st.integers(0, 10**6), st.sampled_from(["mixed", "buyers"]))
def test_a_script_is_repeatable(seed: int, number: int, profile: Profile) -> None:
    assert script_of(seed, number, profile, POPULARITY) == script_of(seed, number, profile, POPULARITY)


def test_sessions_differ_from_one_another() -> None:
    assert len(set(scripts("mixed", 100))) > 90


@pytest.mark.parametrize(("profile", "share"), [("mixed", 0.48), ("buyers", 0.80)])
def test_the_share_of_buyers_depends_on_the_profile(profile: Profile, share: float) -> None:
    kinds = Counter(script.kind for script in scripts(profile))
    assert kinds["buy"] / kinds.total() == pytest.approx(share, abs=0.03)
    assert set(kinds) == {"browse", "abandon", "buy", "sell"}


@given(st.integers(), st.integers(0, 10**6))
def test_no_script_checks_out_an_empty_cart_or_cancels_before_checkout(seed: int, number: int) -> None:
    script = script_of(seed, number, "buyers", POPULARITY)
    kinds = [type(step) for step in script.steps]
    assert (CheckOut in kinds) == (script.kind == "buy")
    if CheckOut in kinds:
        assert Put in kinds[: kinds.index(CheckOut)]
    if Cancel in kinds:
        assert kinds.index(CheckOut) < kinds.index(Cancel)


def test_some_buyers_cancel_before_or_after_confirmation_at_once_or_later() -> None:
    bought = [script for script in scripts("buyers") if script.kind == "buy"]
    cancels = [step for script in bought for step in script.steps if isinstance(step, Cancel)]
    assert 0.05 < len(cancels) / len(bought) < 0.2
    assert {step.once_confirmed for step in cancels} == {True, False}
    assert min(step.after_s for step in cancels) == 0
    assert max(step.after_s for step in cancels) > 1


def test_sellers_change_prices_restock_and_discontinue() -> None:
    steps = {type(step) for script in scripts("mixed") if script.kind == "sell" for step in script.steps}
    assert steps == {ChangePrice, Restock, Replace}
