"""Tests the promise of the gate for HTTP APIs on random pairs of schemas, with an independent validator."""

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from contracts.http.directions import Direction
from contracts.http.schemas import SchemaComparison
from tests.contracts.instances import instances, known_to
from tests.contracts.schema_pairs import Schema, accepts, pairs
from tests.examples import examples

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


@pytest.mark.parametrize("direction", Direction)
@settings(max_examples=examples(150), deadline=None, suppress_health_check=SLOW)
@given(pair=pairs(), data=st.data())
def test_the_receiver_accepts_what_is_sent_after_an_accepted_change(
    direction: Direction, pair: tuple[Schema, Schema], data: st.DataObject
) -> None:
    """A client sends the fields that it knows, and ignores others in a response."""
    old, new = pair
    compatible = not any(SchemaComparison({}, {}, direction).differences(old, new, "value"))
    event(f"compatible: {compatible}, changed: {old != new}")
    assume(compatible)

    sent, expected = direction.sent_and_expected(old, new)
    value = data.draw(instances(sent))
    assume(accepts(sent, value))  # an edited schema may contradict itself
    assert accepts(expected, known_to(old, value))


@pytest.mark.parametrize("direction", Direction)
@settings(max_examples=examples(100), deadline=None, suppress_health_check=SLOW)
@given(pair=pairs())
def test_an_unchanged_schema_is_accepted(direction: Direction, pair: tuple[Schema, Schema]) -> None:
    for schema in pair:
        assert list(SchemaComparison({}, {}, direction).differences(schema, schema, "value")) == []
