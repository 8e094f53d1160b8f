"""Statistics of paired measurements: a ratio with its 95 % confidence interval, robust against outliers."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

TAIL = 0.025
"""The probability beyond a 95 % interval on either side."""
FEWEST_PAIRS = 6
"""With 5, even the widest interval (the smallest and the largest difference) covers only 1 - 2/2**5 = 93.75 %."""


@dataclass(frozen=True)
class Estimate:
    """An estimate with the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """Estimate the ratio of paired positive measurements, on the logarithmic scale."""
    logs = [math.log(above / below) for above, below in zip(numerators, denominators, strict=True)]
    found = shift(logs)
    return Estimate(math.exp(found.value), math.exp(found.low), math.exp(found.high))


def shift(differences: Sequence[float]) -> Estimate:
    """Estimate the centre of symmetrically distributed differences.

    The estimate is Hodges and Lehmann's: the median of the Walsh averages (the means of all pairs of differences, each
    with itself included). The interval is Tukey's: the exact Wilcoxon signed-rank test rejects none of its values.
    It needs no normal distribution. Source: Hollander, Wolfe, Chicken, "Nonparametric Statistical Methods", 3rd
    edition (2014), sections 3.2 and 3.3; Hodges and Lehmann, Annals of Mathematical Statistics 34 (1963), 598-611.

    Raises ValueError for fewer than `FEWEST_PAIRS` differences.
    """
    walsh = sorted((a + b) / 2 for place, a in enumerate(differences) for b in differences[: place + 1])
    outside = critical_value(len(differences))
    return Estimate(statistics.median(walsh), walsh[outside], walsh[-1 - outside])


def critical_value(number: int) -> int:
    """Return the largest `w` with P(W <= w) <= 2.5 %, where `W` is the sum of positive ranks of `number` differences.

    Under the null hypothesis each rank from 1 to `number` counts or not with equal chance, so the distribution is that
    of the sums of random subsets. It is counted exactly. Raises ValueError if there is no such `w`.
    """
    if number < FEWEST_PAIRS:
        raise ValueError(f"A 95 % interval needs at least {FEWEST_PAIRS} pairs, not {number}.")
    subsets = [1]
    """The number of subsets by sum of ranks."""
    for rank in range(1, number + 1):
        without, with_it = subsets + [0] * rank, [0] * rank + subsets
        subsets = [a + b for a, b in zip(without, with_it, strict=True)]
    below, value = subsets[0], 0
    while (below + subsets[value + 1]) / 2**number <= TAIL:
        value += 1
        below += subsets[value]
    return value
