"""The ratio of paired measurements and its interval: published values, coverage, outliers."""

import random
import statistics

import pytest

from tests.benchmarks.pairs import FEWEST_PAIRS, critical_value, ratio, shift

BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
"""Depression scores of nine patients: Hollander and Wolfe, "Nonparametric Statistical Methods", table 3.1."""


@pytest.mark.parametrize(
    ("pairs", "value"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52), (25, 89), (30, 137)]
)
def test_critical_values_equal_those_of_the_published_table(pairs: int, value: int):
    assert critical_value(pairs) == value  # Wilcoxon signed-rank, two-sided, 0.05


def test_estimate_and_interval_equal_those_of_a_published_example():
    found = shift([after - before for before, after in zip(BEFORE, AFTER, strict=True)])
    assert found.value == pytest.approx(-0.46)
    assert (found.low, found.high) == (pytest.approx(-0.786), pytest.approx(-0.010))


def test_with_the_minimum_of_pairs_the_interval_spans_all_differences():
    found = shift([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    assert (found.value, found.low, found.high) == (3.5, 1.0, 6.0)


def test_fewer_pairs_than_the_minimum_are_refused():
    with pytest.raises(ValueError, match="at least 6 pairs, not 5"):
        shift([1.0] * (FEWEST_PAIRS - 1))


def test_equal_measurements_have_the_ratio_one_and_an_interval_of_width_zero():
    found = ratio([7.0] * 15, [7.0] * 15)
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_exchanging_the_arguments_inverts_the_ratio():
    one, other = [11.0, 22.0, 33.0, 44.0, 55.0, 66.0, 79.0], [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]
    found, inverse = ratio(one, other), ratio(other, one)
    assert found.value == pytest.approx(1.1)
    assert (inverse.low, inverse.high) == (pytest.approx(1 / found.high), pytest.approx(1 / found.low))


def test_one_extreme_outlier_hardly_changes_the_ratio():
    noise = random.Random(5)
    there = [1000 * noise.gauss(1, 0.01) for _ in range(15)]
    here = [each * 1.03 * noise.gauss(1, 0.005) for each in there]
    calm = ratio(here, there)
    here[4] *= 50
    wild = ratio(here, there)
    assert wild.value == pytest.approx(calm.value, rel=0.005)
    assert 1.02 < wild.low < 1.03 < wild.high < 1.04


@pytest.mark.parametrize("pairs", [6, 15])
def test_the_interval_covers_the_true_value_as_often_as_promised(pairs: int):
    truth, noise, tries = 0.05, random.Random(7), 2000
    # rounds of two machines with occasional disturbances: not normal, but with the same distribution in both trees
    samples = ([truth + _disturbed(noise) - _disturbed(noise) for _ in range(pairs)] for _ in range(tries))
    covered = statistics.mean(found.low <= truth <= found.high for found in map(shift, samples))
    promised = 1 - 2 * _probability_up_to(critical_value(pairs), pairs)
    assert promised >= 0.95
    assert covered == pytest.approx(promised, abs=0.015)  # three standard deviations of 2,000 tries


def _disturbed(noise: random.Random) -> float:
    return noise.expovariate(1 / 0.01) + (noise.expovariate(1 / 0.3) if noise.random() < 0.1 else 0)


def _probability_up_to(value: int, pairs: int) -> float:
    """Return the probability by enumerating every choice of ranks."""
    sums = [sum(rank for rank in range(1, pairs + 1) if choice >> (rank - 1) & 1) for choice in range(2**pairs)]
    return sum(each <= value for each in sums) / len(sums)
