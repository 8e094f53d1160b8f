"""Upcasts turn old versions of events into the next version."""

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.gate import golden_schema
from contracts.registry import EVENTS
from contracts.upcasts import UPCASTS, upcast_to_newest
from marketplace_runtime.events import Event, without_version
from tests.contracts.instances import instances
from tests.examples import examples


def test_every_version_except_the_newest_has_an_upcast() -> None:
    by_name: dict[str, list[type[Event]]] = {}
    for event in sorted(EVENTS, key=lambda event: event.version):
        by_name.setdefault(without_version(event.type), []).append(event)
    assert UPCASTS.keys() == {event for versions in by_name.values() for event in versions[:-1]}


@pytest.mark.parametrize("old", UPCASTS, ids=lambda old: old.type)
@settings(max_examples=examples(30), deadline=None)
@given(data=st.data())
def test_an_upcast_keeps_the_name_and_the_subject_of_an_event(old: type[Event], data: st.DataObject) -> None:
    body: dict[str, Any] = data.draw(instances(golden_schema(old)))
    published = old.model_validate_json(json.dumps(body))
    try:
        read = UPCASTS[old](published)
    except ValidationError:
        assume(False)  # the next version does not allow the value; such an event becomes a dead letter with a reason
    assert (without_version(read.type), read.version, read.subject) == (
        without_version(published.type),
        published.version + 1,
        published.subject,
    )
    assert upcast_to_newest(published) == upcast_to_newest(read)


@pytest.mark.parametrize("old", UPCASTS, ids=lambda old: old.type)
def test_a_public_version_with_a_successor_has_an_end_date(old: type[Event]) -> None:
    assert old.deprecated is not None or old.internal
