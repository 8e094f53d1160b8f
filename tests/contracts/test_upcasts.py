"""Old versions of events, read as the next."""

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.gate import golden
from contracts.registry import EVENTS
from contracts.upcasts import UPCASTS, newest
from marketplace_runtime.events import Event, name_of
from tests.contracts.instances import instances
from tests.examples import examples


def test_every_version_but_the_newest_has_an_upcast_to_the_next() -> None:
    by_name: dict[str, list[type[Event]]] = {}
    for event in sorted(EVENTS, key=lambda event: event.version):
        by_name.setdefault(name_of(event.type), []).append(event)
    assert UPCASTS.keys() == {event for versions in by_name.values() for event in versions[:-1]}


@pytest.mark.parametrize("old", UPCASTS, ids=lambda old: old.type)
@settings(max_examples=examples(30), deadline=None)
@given(data=st.data())
def test_an_upcast_is_the_same_fact_in_the_next_version(old: type[Event], data: st.DataObject) -> None:
    body: dict[str, Any] = data.draw(instances(golden(old)))
    said = old.model_validate_json(json.dumps(body))
    try:
        read = UPCASTS[old](said)
    except ValidationError:
        assume(False)  # what the next version does not allow any more; it is a dead letter with its reason
    assert (name_of(read.type), read.version, read.subject) == (name_of(said.type), said.version + 1, said.subject)
    assert newest(said) == newest(read)


@pytest.mark.parametrize("old", UPCASTS, ids=lambda old: old.type)
def test_a_version_that_has_a_successor_says_until_when_it_is_said(old: type[Event]) -> None:
    assert old.deprecated is not None or old.internal
