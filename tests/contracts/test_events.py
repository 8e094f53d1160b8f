"""Rules that hold for every event."""

import importlib
import json
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import contracts
from contracts.gate import golden_schema
from contracts.registry import BY_TYPE, EVENTS
from marketplace_runtime.events import Event
from tests.contracts.instances import instances
from tests.examples import examples

each_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)

PERSONAL = {
    *("address", "street", "house", "city", "town", "zip", "postcode", "postal", "state", "country"),
    *("mail", "email", "phone", "mobile", "fax", "contact", "recipient"),
    *("name", "first", "last", "surname", "forename", "birth", "birthday", "age", "gender", "sex"),
    *("iban", "card", "account", "ip", "password", "token", "latitude", "longitude", "location"),
}
NOT_PERSONAL = {
    "facts.name": "the name of a product",
    "address_id": "an id: only delivery knows the address itself",
}


@cache
def bodies(event: type[Event]) -> st.SearchStrategy[dict[str, Any]]:
    """Return the bodies that the golden schema allows."""
    return instances(golden_schema(event))


def all_subclasses(event: type[Event]) -> Iterator[type[Event]]:
    for each in event.__subclasses__():
        yield each
        yield from all_subclasses(each)


def fields(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of every field at any depth."""
    if "$ref" in schema:
        yield from fields(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions, path)
    for each in [schema.get("items"), *schema.get("anyOf", [])]:
        if each is not None:
            yield from fields(each, definitions, path)
    for name, each in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from fields(each, definitions, f"{path}{name}.")


def test_the_event_registry_lists_every_event_class_once() -> None:
    for module in pkgutil.iter_modules(contracts.__path__):
        if module.name != "__main__":
            importlib.import_module(f"contracts.{module.name}")
    declared = [each for each in all_subclasses(Event) if each.__module__.startswith("contracts.")]
    assert Counter(EVENTS) == Counter(declared)


def test_no_two_events_share_a_type_or_a_class_name() -> None:
    assert len(BY_TYPE) == len(EVENTS) == len({event.__name__ for event in EVENTS})


@each_event
def test_the_class_is_named_after_the_type_and_the_module_after_the_publisher(event: type[Event]) -> None:
    words = re.findall(r"[A-Z][a-z]*", event.__name__.removesuffix(f"V{event.version}"))
    assert event.type == f"{event.publisher}.{'-'.join(words).lower()}.v{event.version}"
    assert event.__module__ == f"contracts.{event.publisher}"


@each_event
def test_the_key_is_a_required_id(event: type[Event]) -> None:
    key = event.model_fields[event.key]
    assert key.is_required()
    assert key.annotation in (UUID, str)


@each_event
def test_every_event_has_a_docstring(event: type[Event]) -> None:
    assert event.__doc__
    assert event.__doc__ != Event.__doc__


@each_event
def test_a_field_that_may_be_null_is_optional_since_nulls_are_not_sent(event: type[Event]) -> None:
    schema = event.model_json_schema()
    for each in [schema, *schema.get("$defs", {}).values()]:
        for name, field in each.get("properties", {}).items():
            if {"type": "null"} in field.get("anyOf", []):
                assert name not in each["required"]


@each_event
def test_an_event_is_read_and_written_in_the_same_form(event: type[Event]) -> None:
    """There are no computed fields, aliases or custom serialisers: one golden schema describes reading and writing."""
    read, written = (event.model_json_schema(mode=mode) for mode in ("validation", "serialization"))
    for each in [*read.get("$defs", {}).values(), *written.get("$defs", {}).values(), read, written]:
        each.pop("required", None)
    assert read == written
    assert event.model_json_schema(by_alias=False) == event.model_json_schema()


@each_event
def test_no_event_carries_personal_data(event: type[Event]) -> None:
    schema = event.model_json_schema()
    found = [path for path in fields(schema, schema.get("$defs", {})) if PERSONAL & set(re.split(r"[._]", path))]
    assert set(found) <= NOT_PERSONAL.keys()


@each_event
@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_body_that_the_schema_allows_is_read_and_written_unchanged(
    event: type[Event], data: st.DataObject
) -> None:
    schema = golden_schema(event)
    body = data.draw(bodies(event))

    received = event.model_validate_json(json.dumps(body), strict=True)
    sent = received.model_dump_json(exclude_none=True)

    assert event.model_validate_json(sent, strict=True) == received
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(json.loads(sent))


@each_event
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_reader_ignores_fields_that_it_does_not_know(event: type[Event], data: st.DataObject) -> None:
    body = data.draw(bodies(event))
    known = event.model_validate_json(json.dumps(body))
    assert event.model_validate_json(json.dumps({**body, "added_later": {"a": [1]}})) == known


@each_event
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_body_without_its_key_is_refused(event: type[Event], data: st.DataObject) -> None:
    body = data.draw(bodies(event))
    del body[event.key]
    with pytest.raises(ValueError, match=event.key):
        event.model_validate_json(json.dumps(body))
