"""The delay before a crashed part is restarted doubles up to a limit."""

import random

from hypothesis import given
from hypothesis import strategies as st

from infra.stack.backoff import Backoff


@given(st.integers(), st.lists(st.floats(0, 29), max_size=30))
def test_a_delay_is_never_shorter_than_the_base_nor_longer_than_base_and_cap(seed: int, lives: list[float]) -> None:
    backoff = Backoff(rng=random.Random(seed))
    assert all(0.5 <= backoff.next_delay_s(lived) <= 30.5 for lived in lives)


def ceilings(backoff: Backoff, lives: list[float]) -> list[float]:
    class Highest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    backoff.rng = Highest()
    return [backoff.next_delay_s(lived) - backoff.base_s for lived in lives]


def test_delays_double_up_to_the_cap() -> None:
    assert ceilings(Backoff(), [0] * 8) == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_long_run_resets_the_delay() -> None:
    assert ceilings(Backoff(), [0, 0, 0, 31, 0]) == [0.5, 1, 2, 0.5, 1]


def test_starting_a_part_by_hand_resets_the_delay() -> None:
    backoff = Backoff()
    ceilings(backoff, [0, 0, 0])
    backoff.reset()
    assert ceilings(backoff, [0]) == [0.5]
