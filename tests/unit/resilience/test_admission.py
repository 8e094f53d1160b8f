from contextlib import ExitStack
from uuid import uuid4

import pytest

from marketplace_runtime.resilience import Admission, Importance, Overloaded


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def admission(limit: int, clock: Clock | None = None) -> Admission:
    return Admission(uuid4().hex, limit, slow_s=1.0, clock=clock or Clock())


def places(gate: Admission) -> int:
    """How many promises find a place."""
    with ExitStack() as under_way:
        for found in range(1000):
            try:
                under_way.enter_context(gate.admit(Importance.PROMISE))
            except Overloaded:
                return found
    raise AssertionError("there is no limit")


def work(gate: Admission, clock: Clock, *took_s: float) -> None:
    """Pieces of work one after the other."""
    for each in took_s:
        with gate.admit(Importance.CHANGE):
            clock.now += each


@pytest.mark.parametrize(("importance", "places"), [("LOOK", 5), ("CHANGE", 8), ("PROMISE", 10)])
def test_each_importance_fills_its_share_and_no_more(importance: str, places: int) -> None:
    gate = admission(10)
    with ExitStack() as under_way:
        for _ in range(places):
            under_way.enter_context(gate.admit(Importance[importance]))
        with pytest.raises(Overloaded, match=f"{places} requests"), gate.admit(Importance[importance]):
            pass


def test_what_matters_more_finds_a_place_when_what_matters_less_does_not() -> None:
    gate = admission(10)
    with ExitStack() as under_way:
        for _ in range(5):
            under_way.enter_context(gate.admit(Importance.LOOK))
        with pytest.raises(Overloaded), gate.admit(Importance.LOOK):
            pass
        for importance, places in ((Importance.CHANGE, 3), (Importance.PROMISE, 2)):
            for _ in range(places):
                under_way.enter_context(gate.admit(importance))
        with pytest.raises(Overloaded), gate.admit(Importance.PROMISE):
            pass


def test_a_place_is_free_again_however_the_work_ends() -> None:
    gate = admission(2)
    for _ in range(5):
        with pytest.raises(ValueError, match="no"), gate.admit(Importance.LOOK):
            raise ValueError("no")
    with gate.admit(Importance.LOOK):
        pass


def test_slow_work_lowers_the_limit_to_a_quarter_and_quick_work_raises_it_again() -> None:
    clock = Clock()
    gate = admission(100, clock)
    work(gate, clock, 2.0)
    assert places(gate) == 70
    work(gate, clock, *[2.0] * 20)
    assert places(gate) == 25
    work(gate, clock, *[0.1] * 30)
    assert 25 < places(gate) < 100
    work(gate, clock, *[0.1] * 120)
    assert places(gate) == 100


def test_some_slow_work_among_much_that_is_quick_changes_nothing() -> None:
    clock = Clock()
    gate = admission(100, clock)
    work(gate, clock, *[0.05, 0.05, 1.5] * 50)
    assert places(gate) == 100
