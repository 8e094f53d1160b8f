"""Charts are accurate: ticks cover the data, gaps stay gaps, and faults don't cover each other."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.lab.chaos.kinds import FAMILY
from infra.lab.report.drawing import Scale, decades, line, split_at_gaps, ticks
from infra.lab.report.lanes import FAMILIES, lanes

LIKELY = st.floats(1e-3, 1e7)
FAULTS = st.lists(
    st.tuples(st.sampled_from(sorted(FAMILY)), st.floats(0, 100), st.floats(0, 20)).map(
        lambda each: {"kind": each[0], "part": "checkout:broker", "start_s": each[1], "end_s": each[1] + each[2]}
    ),
    max_size=40,
)


@given(LIKELY, st.integers(2, 12))
def test_ticks_begin_at_zero_and_cover_the_maximum(high: float, most: int) -> None:
    found = ticks(high, most)
    assert found[0] == 0
    assert found[-2] < high <= found[-1] * (1 + 1e-6)
    assert 2 <= len(found) <= most + 1


@given(LIKELY)
def test_decades_cover_the_maximum(high: float) -> None:
    found = decades(1, high)
    assert found[0] == 1
    assert found[-1] * (1 + 1e-6) >= high


@pytest.mark.parametrize("logarithmic", [False, True])
def test_values_outside_of_a_scale_are_drawn_at_its_ends(logarithmic: bool) -> None:
    up = Scale(1, 1000, 100, 0, logarithmic)
    assert [up(value) for value in (0, 1, 1000, 10**6)] == [100, 100, 0, 0]
    assert 0 < up(30) < 100


def test_a_line_has_gaps_where_values_are_unknown() -> None:
    assert list(split_at_gaps([1, None, None, 2, 3, None])) == [[(0, 1)], [(3, 2), (4, 3)]]
    assert list(split_at_gaps([None])) == []


def test_a_single_point_is_drawn_as_a_dot() -> None:
    assert line([(1, 2)]) == "M1.0 2.0L1.0 2.0"


@given(FAULTS)
def test_faults_of_a_lane_do_not_overlap(faults: list[dict[str, object]]) -> None:
    found = lanes(faults, Scale(0, 120, 60, 1100))
    assert sorted(id(each.fault) for lane in found for each in lane) == sorted(map(id, faults))
    for lane in found:
        for one, other in itertools.combinations(lane, 2):
            assert one.left >= other.right or other.left >= one.right


def test_every_family_of_faults_has_a_name_and_a_colour() -> None:
    assert set(FAMILY.values()) == set(FAMILIES)
