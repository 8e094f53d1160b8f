"""Tests the gate's promise on random pairs of schemas with an independent validator.

If the gate accepts a change, an instance of either schema is valid in the other, without the fields unknown to it.
"""

import copy

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from contracts.compatibility import find_breaking_changes
from tests.contracts.instances import instances, known_to
from tests.contracts.schema_pairs import Schema, accepts, documents, pairs, parts, places
from tests.examples import examples


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(pair=pairs(), data=st.data())
def test_old_and_new_readers_accept_each_other_s_events_after_an_accepted_change(
    pair: tuple[Schema, Schema], data: st.DataObject
) -> None:
    old, new = pair
    compatible = find_breaking_changes(old, new) == []
    event(f"compatible: {compatible}, changed: {old != new}")
    assume(compatible)

    stored = data.draw(instances(old))
    assert accepts(new, known_to(new, stored))
    published = data.draw(instances(new))
    assert accepts(old, known_to(old, published))


@settings(max_examples=examples(50), deadline=None)
@given(old=documents, data=st.data())
def test_optional_fields_may_be_added_anywhere(old: Schema, data: st.DataObject) -> None:
    new = copy.deepcopy(old)
    objects = [each for each in places(new) if "properties" in each]
    place = data.draw(st.sampled_from(objects))
    place["properties"]["added"] = data.draw(parts)
    assert find_breaking_changes(old, new) == []


@settings(
    max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(pair=pairs(), data=st.data())
def test_two_compatible_changes_are_compatible_together(pair: tuple[Schema, Schema], data: st.DataObject) -> None:
    """A golden schema may therefore be written again after each compatible change."""
    first, second = pair
    assume(find_breaking_changes(first, second) == [])
    third = copy.deepcopy(second)
    place = data.draw(st.sampled_from([each for each in places(third) if "properties" in each]))
    place["properties"]["f"] = data.draw(parts)
    assume(find_breaking_changes(second, third) == [])
    assert find_breaking_changes(first, third) == []
