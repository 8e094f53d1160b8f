"""Which product a shopper wants: a few sell often, most seldom (Zipf's law)."""

import bisect
import itertools
import random


class Popularity:
    """Draws ranks 0..n-1, where rank r is drawn in proportion to 1 / (r + 1) ** s.

    s = 0.9 is near what web shops report of their best sellers.
    """

    def __init__(self, n: int, s: float = 0.9) -> None:
        self._cumulated = list(itertools.accumulate((rank + 1) ** -s for rank in range(n)))

    def draw(self, chance: random.Random) -> int:
        """One rank."""
        return bisect.bisect(self._cumulated, chance.random() * self._cumulated[-1])

    def draw_distinct(self, chance: random.Random, k: int) -> list[int]:
        """k different ranks (all there are, if there are fewer), in the order drawn."""
        drawn: dict[int, None] = {}
        while len(drawn) < min(k, len(self._cumulated)):
            drawn[self.draw(chance)] = None
        return list(drawn)
