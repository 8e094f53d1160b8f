"""How long it took to recover is said only where one fault can be blamed."""

from infra.chaos.conduct import Outcome
from infra.chaos.fault import Fault
from infra.chaos.recovery import drained, recovered


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


QUIET = dict.fromkeys(range(10), 3.0)


def test_a_backlog_is_drained_when_no_more_waits_than_before() -> None:
    one = a_fault(10, 20.5)
    backlog = QUIET | {4: 40.0, 15: 500.0, 21: 400.0, 22: 90.0, 23: 40.0, 24: 3.0}
    assert drained(one, [one, a_fault(30, 40)], backlog) == 2.5


def test_what_is_usual_need_not_come_to_nothing() -> None:
    one = a_fault(10, 20.5)
    assert drained(one, [one], QUIET | {21: 10.0, 22: 3.0}) == 0.5


def test_a_second_in_which_somebody_was_silent_proves_nothing() -> None:
    one = a_fault(10, 20.0)
    assert drained(one, [one], QUIET | {20: 90.0, 23: 2.0}) == 3.0
    assert drained(one, [one], QUIET | {20: 90.0}) is None


def test_a_backlog_of_overlapping_faults_is_nobodys() -> None:
    one = a_fault(10, 20)
    assert drained(one, [one, a_fault(19, 21)], QUIET | {22: 3.0}) is None
