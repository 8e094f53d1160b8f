"""The AsyncAPI document is valid and agrees with the services' tables."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from contracts.gate import golden_schema
from contracts.registry import BY_TYPE, EVENTS
from infra.lab.docs import ServiceWiring
from infra.lab.docs.asyncapi import asyncapi_document, schemas
from infra.lab.docs.build import write_specifications
from infra.lab.docs.examples import example
from marketplace_runtime.events import Event

ROOT = Path(__file__).parents[3]
OFFICIAL = ROOT / "tests" / "vendor" / "asyncapi" / "3.0.0.json"

PUBLIC = [event for event in EVENTS if not event.internal]


@pytest.fixture(scope="module")
def described(services: list[ServiceWiring]) -> dict[str, Any]:
    return asyncapi_document(EVENTS, services, "1.2.3")


@pytest.fixture(scope="module")
def official() -> Any:
    return jsonschema_rs.validator_for(json.loads(OFFICIAL.read_text()))


def test_the_document_is_valid_against_the_official_schema(described: dict[str, Any], official: Any) -> None:
    assert [f"{error.instance_path}: {error.message}" for error in official.iter_errors(described)] == []


def test_the_official_schema_refuses_an_invalid_document(described: dict[str, Any], official: Any) -> None:
    wrong = described | {"operations": {"say": {"action": "shout", "channel": {"$ref": "#/channels/none"}}}}
    assert not official.is_valid(wrong)


def test_every_reference_has_a_target(described: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(described)))
    assert references
    for reference in references:
        place: Any = described
        for step in reference.split("/"):
            assert step in place, reference
            place = place[step]


def test_every_event_and_queue_has_a_channel_and_an_operation(
    described: dict[str, Any], services: list[ServiceWiring]
) -> None:
    published = {type for each in services for type in each.publishes}
    queues = {f"{each.service}.{name}" for each in services for name in each.subscriptions}
    assert described["channels"].keys() == published | queues
    assert described["operations"].keys() == {f"send-{each}" for each in published} | {
        f"receive-{each}" for each in queues
    }
    assert {each["name"] for each in described["components"]["messages"].values()} == published


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_example_is_a_valid_event(event: type[Event]) -> None:
    shown = example(golden_schema(event))
    jsonschema_rs.validator_for(golden_schema(event), validate_formats=True).validate(shown)
    assert event.model_validate_json(json.dumps(shown)).type == event.type


def test_a_schema_of_the_document_accepts_the_same_as_the_golden_one(described: dict[str, Any]) -> None:
    for event in PUBLIC:
        published = {"$ref": f"#/components/schemas/{event.__name__}", "components": described["components"]}
        judge = jsonschema_rs.validator_for(published)
        shown = example(golden_schema(event))
        assert judge.is_valid(shown)
        assert not judge.is_valid(shown | {event.key: 7})


def test_two_different_parts_with_the_same_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(event: type[Event]) -> dict[str, Any]:
        schema = golden_schema(event)
        if event.publisher == "cart":
            schema["$defs"]["Money"]["description"] = "other money"
        return schema

    monkeypatch.setattr("infra.lab.docs.asyncapi.golden_schema", altered)
    with pytest.raises(ValueError, match="two different schemas named Money"):
        schemas([BY_TYPE["cart.cart-checked-out.v1"], BY_TYPE["checkout.order-placed.v1"]])


def test_the_specifications_are_written_and_replace_older_ones(described: dict[str, Any], tmp_path: Path) -> None:
    write_specifications(EVENTS, described, {"cart": {"openapi": "3.1.0"}, "old": {}}, tmp_path)
    (tmp_path / "schemas" / "old.event.v1.json").write_text("{}")
    asyncapi_document, schemas, apis = write_specifications(EVENTS, described, {"cart": {"openapi": "3.1.0"}}, tmp_path)
    assert json.loads(asyncapi_document.read_text()) == described
    assert {file.name for file in schemas.iterdir()} == {f"{event.type}.json" for event in PUBLIC}
    for event in PUBLIC:
        assert json.loads((schemas / f"{event.type}.json").read_text()) == golden_schema(event)
    assert [file.name for file in apis.iterdir()] == ["cart.json"]
