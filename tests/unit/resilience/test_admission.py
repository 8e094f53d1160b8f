from contextlib import ExitStack
from uuid import uuid4

import pytest

from marketplace_runtime.resilience import Admission, Overloaded, Priority


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def admission(limit: int, clock: Clock | None = None) -> Admission:
    return Admission(uuid4().hex, limit, slow_s=1.0, clock=clock or Clock())


def places(gate: Admission) -> int:
    """Return how many requests of the highest priority are admitted."""
    with ExitStack() as under_way:
        for found in range(1000):
            try:
                under_way.enter_context(gate.admit(Priority.CRITICAL))
            except Overloaded:
                return found
    raise AssertionError("there is no limit")


def run_requests(gate: Admission, clock: Clock, *took_s: float) -> None:
    """Do pieces of run_requests one after the other, each of the given duration."""
    for each in took_s:
        with gate.admit(Priority.WRITE):
            clock.now += each


@pytest.mark.parametrize(("priority", "places"), [("READ", 5), ("WRITE", 8), ("CRITICAL", 10)])
def test_each_importance_is_limited_to_its_share(priority: str, places: int) -> None:
    gate = admission(10)
    with ExitStack() as under_way:
        for _ in range(places):
            under_way.enter_context(gate.admit(Priority[priority]))
        with pytest.raises(Overloaded, match=f"{places} requests"), gate.admit(Priority[priority]):
            pass


def test_more_important_requests_are_admitted_after_others_are_refused() -> None:
    gate = admission(10)
    with ExitStack() as under_way:
        for _ in range(5):
            under_way.enter_context(gate.admit(Priority.READ))
        with pytest.raises(Overloaded), gate.admit(Priority.READ):
            pass
        for priority, places in ((Priority.WRITE, 3), (Priority.CRITICAL, 2)):
            for _ in range(places):
                under_way.enter_context(gate.admit(priority))
        with pytest.raises(Overloaded), gate.admit(Priority.CRITICAL):
            pass


def test_a_place_is_released_however_the_work_ends() -> None:
    gate = admission(2)
    for _ in range(5):
        with pytest.raises(ValueError, match="no"), gate.admit(Priority.READ):
            raise ValueError("no")
    with gate.admit(Priority.READ):
        pass


def test_slow_requests_lower_the_limit_to_a_quarter_and_fast_ones_raise_it_again() -> None:
    clock = Clock()
    gate = admission(100, clock)
    run_requests(gate, clock, 2.0)
    assert places(gate) == 70
    run_requests(gate, clock, *[2.0] * 20)
    assert places(gate) == 25
    run_requests(gate, clock, *[0.1] * 30)
    assert 25 < places(gate) < 100
    run_requests(gate, clock, *[0.1] * 120)
    assert places(gate) == 100


def test_a_few_slow_requests_among_many_fast_ones_do_not_lower_the_limit() -> None:
    clock = Clock()
    gate = admission(100, clock)
    run_requests(gate, clock, *[0.05, 0.05, 1.5] * 50)
    assert places(gate) == 100
