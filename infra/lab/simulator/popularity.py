"""Chooses the products that shoppers want: a few sell often, most seldom (Zipf's law)."""

import bisect
import itertools
import random


class Popularity:
    """Draws ranks 0..n-1, where rank r is drawn in proportion to 1 / (r + 1) ** s.

    The default s = 0.9 is near what web shops report of their best sellers.
    """

    def __init__(self, n: int, s: float = 0.9) -> None:
        self._cumulated = list(itertools.accumulate((rank + 1) ** -s for rank in range(n)))

    def draw(self, rng: random.Random) -> int:
        """Return one rank."""
        return bisect.bisect(self._cumulated, rng.random() * self._cumulated[-1])

    def draw_distinct(self, rng: random.Random, k: int) -> list[int]:
        """Return k different ranks in the order drawn, or all n if k is larger."""
        drawn: dict[int, None] = {}
        while len(drawn) < min(k, len(self._cumulated)):
            drawn[self.draw(rng)] = None
        return list(drawn)
