"""A random schedule is the same for the same seed, has overlaps, and never hides one fault behind another."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.lab.chaos.fault import ResourceNeeds
from infra.lab.chaos.kinds import KINDS, check_fault
from infra.lab.chaos.schedule import PlannedFault, random_schedule, sequential_schedule
from tests.examples import examples

SERVICES = ("catalog", "cart", "checkout", "notifications", "delivery")


@pytest.mark.parametrize("seed", range(5))
def test_two_minutes_contain_many_faults_of_many_kinds(seed: int) -> None:
    schedule = random_schedule(seed, 120, SERVICES)
    assert len(schedule) >= 25
    assert len({each.fault.kind for each in schedule}) >= 8
    assert any(one.overlaps(other) for one, other in itertools.pairwise(schedule))


def test_a_seed_determines_the_schedule() -> None:
    assert random_schedule(7, 60, SERVICES) == random_schedule(7, 60, SERVICES)
    assert random_schedule(7, 60, SERVICES) != random_schedule(8, 60, SERVICES)


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(), st.floats(5, 200), st.one_of(st.none(), st.integers(1, 40)))
def test_every_fault_is_valid_ends_in_time_and_hides_no_other(seed: int, duration_s: float, faults: int | None) -> None:
    schedule = random_schedule(seed, duration_s, SERVICES, faults)
    assert [each.start_s for each in schedule] == sorted(each.start_s for each in schedule)
    assert len({each.fault.id for each in schedule}) == len(schedule)
    for each in schedule:
        check_fault(each.fault, SERVICES)
        assert 0 <= each.start_s <= each.end_s <= duration_s + 0.01
    for one, other in itertools.combinations(schedule, 2):
        assert not (one.overlaps(other) and _needed_resources(one).conflicts_with(_needed_resources(other)))


@given(st.integers(), st.floats(90, 300), st.one_of(st.none(), st.integers(1, 40)))
@settings(max_examples=examples(30), deadline=None)
def test_a_long_schedule_stops_the_broker_during_the_traffic(seed: int, duration_s: float, faults: int | None) -> None:
    schedule = random_schedule(seed, duration_s, SERVICES, faults)
    ends = [each for each in schedule if each.fault.part == "broker" and each.fault.kind in ("kill", "stop")]
    assert any(duration_s * 0.1 < each.start_s and each.end_s < duration_s * 0.8 for each in ends)


def test_a_sequential_schedule_has_no_overlaps_and_every_kind() -> None:
    schedule = sequential_schedule(SERVICES, 3, 25)
    for each, after in itertools.pairwise(schedule):
        check_fault(each.fault, SERVICES)
        assert after.start_s - each.end_s > 20
    stopped = [each.fault.part for each in schedule if each.fault.kind == "stop"]
    assert stopped == ["catalog-db", "broker", "cart-db", "broker", "checkout-db", "broker"]
    killed = {each.fault.part for each in schedule if each.fault.kind == "kill"}
    assert killed == {*SERVICES[:3], *(f"{name}-db" for name in SERVICES[:3]), "broker"}


@pytest.mark.parametrize(("long", "at"), [("outage", "checkout"), ("forgotten-lock", "catalog-db")])
@pytest.mark.parametrize("holding", ["delayed", "reordered"])
def test_no_fault_holds_messages_while_another_stops_all_orders(long: str, at: str, holding: str) -> None:
    assert KINDS[long].needed_resources(at).conflicts_with(KINDS[holding].needed_resources("delivery"))
    assert not KINDS["kill"].needed_resources("checkout").conflicts_with(KINDS[holding].needed_resources("delivery"))


def test_a_schedule_has_the_requested_number_of_faults() -> None:
    assert len(random_schedule(1, 120, SERVICES, 40)) == 40


def _needed_resources(planned: PlannedFault) -> ResourceNeeds:
    return KINDS[planned.fault.kind].needed_resources(planned.fault.part)


@pytest.mark.parametrize("seed", range(3))
def test_given_servers_get_no_faults(seed: int) -> None:
    external = {"broker", "cart-db"}
    planned = random_schedule(seed, 120, SERVICES, external=external)
    assert len(planned) >= 25
    assert sequential_schedule(SERVICES, 3, 25, external=external)
    for each in (*planned, *sequential_schedule(SERVICES, 3, 25, external=external)):
        assert each.fault.part not in external
    assert not {"memory-alarm", "lost-consumers"} & {each.fault.kind for each in planned}
