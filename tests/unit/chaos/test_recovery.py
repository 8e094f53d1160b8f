"""A recovery time is reported only if it can be attributed to one fault."""

import pytest

from infra.lab.chaos.experiment_runner import Outcome
from infra.lab.chaos.fault import Fault
from infra.lab.chaos.recovery import compare_with_targets, describe_target, time_to_drain, time_to_recover


def a_fault(began: float, ended: float, part: str = "cart") -> Outcome:
    return Outcome(Fault("kill", part), began, ended)


def test_the_recovery_time_lasts_from_the_end_of_a_fault_to_the_next_completed_order() -> None:
    one = a_fault(10, 20)
    assert time_to_recover(one, [one, a_fault(30, 40)], [5, 19, 22.5, 29]) == 2.5


def test_the_recovery_time_is_unknown_if_another_fault_overlapped_or_began_before_it() -> None:
    one = a_fault(10, 20)
    for other in (a_fault(5, 10.5), a_fault(12, 13), a_fault(21, 25)):
        assert time_to_recover(one, [one, other], [22.5]) is None


def test_the_recovery_time_is_unknown_without_a_later_order() -> None:
    one = a_fault(10, 20)
    assert time_to_recover(one, [one], [15.0]) is None


QUIET = dict.fromkeys(range(10), 3.0)


def test_a_backlog_is_drained_when_it_is_as_small_as_before() -> None:
    one = a_fault(10, 20.5)
    backlog = QUIET | {4: 40.0, 15: 500.0, 21: 400.0, 22: 90.0, 23: 40.0, 24: 3.0}
    assert time_to_drain(one, [one, a_fault(30, 40)], backlog) == 2.5


def test_a_backlog_need_not_drain_below_its_usual_size() -> None:
    one = a_fault(10, 20.5)
    assert time_to_drain(one, [one], QUIET | {21: 10.0, 22: 3.0}) == 0.5


def test_a_second_without_a_sample_does_not_count_as_drained() -> None:
    one = a_fault(10, 20.0)
    assert time_to_drain(one, [one], QUIET | {20: 90.0, 23: 2.0}) == 3.0
    assert time_to_drain(one, [one], QUIET | {20: 90.0}) is None


def test_a_backlog_of_overlapping_faults_is_not_attributed() -> None:
    one = a_fault(10, 20)
    assert time_to_drain(one, [one, a_fault(19, 21)], QUIET | {22: 3.0}) is None


def kills(part: str, *recovered_s: float | None) -> tuple[list[Outcome], list[float]]:
    """Return kills every 25 s, and completed orders so long after each; None if there was none before the next kill."""
    starts = [100.0 + 25 * number for number in range(len(recovered_s))]
    outcomes = [a_fault(start, start + 3, part) for start in starts]
    waits = [(each.ended, wait) for each, wait in zip(outcomes, recovered_s, strict=True) if wait is not None]
    return outcomes, [ended + wait for ended, wait in waits]


@pytest.mark.parametrize(
    ("part", "recovered_s", "median_s", "kept"),
    [
        ("cart", (4.0, 1.0, 20.0), 4.0, True),
        ("cart", (6.0, 1.0, 5.1), 5.1, False),
        ("cart-db", (6.0, 1.0, 5.1), 5.1, True),
        ("cart-db", (10.5,), 10.5, False),
        ("broker", (9.9, 10.0, 21.0), 10.0, True),
    ],
)
def test_the_median_is_compared_with_the_target(
    part: str, recovered_s: tuple[float, ...], median_s: float, kept: bool
) -> None:
    outcomes, completed = kills(part, *recovered_s)
    [target] = compare_with_targets(outcomes, completed, {}, run_end=1000)
    assert (target["median_s"], target["kept"], target["at_least"]) == (median_s, kept, False)


def test_faults_without_recovery_do_not_improve_the_median() -> None:
    outcomes, completed = kills("broker", 2.0, None, None)
    [target] = compare_with_targets(outcomes, completed, {}, run_end=outcomes[-1].ended + 60)
    assert (target["median_s"], target["kept"], target["times"]) == (22.0, False, 3)
    assert "at least 22.0 s (median of 3), the target is 10 s" in describe_target(target)


def test_a_target_without_recovery_is_not_kept_however_short_the_observation() -> None:
    outcomes, completed = kills("broker", None)
    [target] = compare_with_targets(outcomes, completed, {}, run_end=outcomes[-1].ended + 4)
    assert (target["median_s"], target["kept"]) == (4.0, False)


def test_for_a_part_that_orders_do_not_need_the_backlog_counts() -> None:
    one = a_fault(100, 103, "delivery")
    completed = [100.2 + number / 10 for number in range(200)]
    backlog = dict.fromkeys(range(90, 100), 3.0) | dict.fromkeys(range(100, 112), 50.0) | {112: 3.0}
    [target] = compare_with_targets([one], completed, backlog, run_end=200)
    assert (target["median_s"], target["kept"]) == (9.0, False)


def test_only_services_databases_and_the_broker_have_targets() -> None:
    assert compare_with_targets([a_fault(10, 13, "payments-a"), a_fault(50, 53, "cart:db")], [], {}, run_end=99) == []
