"""Shoppers arrive at random, at the requested rate, and in the same way for the same seed."""

import random
import statistics
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.lab.simulator.popularity import Popularity
from infra.lab.simulator.traffic import Traffic, arrivals


def test_arrivals_come_at_the_rate_with_the_spread_of_a_poisson_process() -> None:
    times = list(arrivals(rate=50, duration_s=400, seed=1))
    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) == pytest.approx(20_000, rel=0.03)
    assert statistics.mean(gaps) == pytest.approx(1 / 50, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1 / 50, rel=0.05)


@given(st.integers(), st.floats(0.5, 100), st.floats(0.1, 5))
def test_arrivals_are_repeatable_ordered_and_within_the_duration(seed: int, rate: float, duration_s: float) -> None:
    times = list(arrivals(rate, duration_s, seed))
    assert times == list(arrivals(rate, duration_s, seed)) == sorted(times)
    assert all(0 < at < duration_s for at in times)


def test_another_seed_gives_other_arrivals() -> None:
    assert list(arrivals(10, 10, seed=1)) != list(arrivals(10, 10, seed=2))


def test_popularity_follows_zipf_s_law() -> None:
    popularity = Popularity(40, s=1.0)
    chance = random.Random(7)
    drawn = Counter(popularity.draw(chance) for _ in range(50_000))
    assert set(drawn) <= set(range(40))
    assert drawn[0] / drawn[1] == pytest.approx(2, rel=0.1)
    assert drawn[0] / drawn[9] == pytest.approx(10, rel=0.2)


@given(st.integers(1, 10), st.integers(0, 15), st.integers())
def test_distinct_ranks_are_distinct(n: int, k: int, seed: int) -> None:
    ranks = Popularity(n).draw_distinct(random.Random(seed), k)
    assert len(ranks) == len(set(ranks)) == min(n, k)


@pytest.mark.parametrize(("rate", "duration_s"), [(0, 1), (-1, 1), (1, 0), (1, float("inf")), (1e9, 1)])
def test_traffic_without_limits_is_refused(rate: float, duration_s: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        Traffic(rate=rate, duration_s=duration_s, seed=1)
