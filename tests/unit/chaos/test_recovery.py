"""How long it took to recover is said only where one fault can be blamed."""

from infra.chaos.conduct import Outcome, recovered
from infra.chaos.fault import Fault


def a_fault(began: float, ended: float) -> Outcome:
    return Outcome(Fault("kill", "cart"), began, ended)


def test_it_is_the_time_from_the_end_to_the_next_completed_order() -> None:
    one = a_fault(10, 20)
    assert recovered(one, [one, a_fault(30, 40)], [5, 19, 22.5, 29]) == 2.5


def test_nobody_knows_where_faults_overlapped_or_the_next_began_before_recovery() -> None:
    one = a_fault(10, 20)
    for other in (a_fault(5, 10.5), a_fault(12, 13), a_fault(21, 25)):
        assert recovered(one, [one, other], [22.5]) is None


def test_without_another_order_nothing_is_known() -> None:
    one = a_fault(10, 20)
    assert recovered(one, [one], [15.0]) is None
