"""Compares interfaces that renaming and moving code must not change, as the code declares them.

`tests/system/test_frozen_interfaces.py` compares those that only a running marketplace shows.
"""

import importlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
import typer
from prometheus_client import REGISTRY
from pydantic_settings import BaseSettings

from contracts import Envelope
from contracts.gate import golden_schema
from contracts.registry import EVENTS
from infra.cli.app import app
from infra.stack import services_of
from marketplace_runtime.amqp import DeadLetter, dead_letter_properties, properties_of
from marketplace_runtime.amqp.wire_format import frames_of
from marketplace_runtime.http import Problem
from marketplace_runtime.service import load_services
from tests.frozen import require_unchanged

ROOT = Path(__file__).parents[2]
TEXTS = ("description", "title")
ENVELOPE = Envelope(
    id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    type="checkout.order-placed.v1",
    source="checkout",
    subject="order-1",
    time=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    causation_id=UUID("01890a5d-ac96-774b-bcce-b302099a8058"),
)
MESSAGE_ID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\x08checkout)")
ADVISORY_LOCK = re.compile(r"\b(7_205_759_\d{3}|720[5-9])\b")


def without_texts(schema: Any) -> Any:
    """Return a schema without titles and descriptions."""
    if isinstance(schema, dict):
        return {
            name: without_texts(each) for name, each in schema.items() if not (name in TEXTS and isinstance(each, str))
        }
    return [without_texts(each) for each in schema] if isinstance(schema, list) else schema


def test_event_types_and_golden_schemas() -> None:
    require_unchanged("events", {event.type: without_texts(golden_schema(event)) for event in EVENTS})


def test_an_event_on_the_wire() -> None:
    frames = MESSAGE_ID.sub(
        b"MESSAGE-ID", frames_of(ENVELOPE, b"{}", exchange="checkout.events", channel=1, frame_max=131_072)
    )
    properties = dict(properties_of(ENVELOPE, "checkout"))
    properties["message_id"] = "MESSAGE-ID"
    require_unchanged("wire-format", {"frames": frames.decode("latin-1"), "properties": shown(properties)})


def test_a_dead_letter_on_the_wire() -> None:
    letter = DeadLetter(
        key="orders/01890a5d-ac96-774b-bcce-b302099a8057",
        subscription="orders",
        event_id=ENVELOPE.id,
        type=ENVELOPE.type,
        reason="attempts-exhausted",
        error="ValueError: no",
        attempts=5,
        failed_at=ENVELOPE.time,
        headers={"cloudEvents_type": ENVELOPE.type},
        body=b"{}",
    )
    properties = dict(dead_letter_properties(letter, "catalog"))
    properties["message_id"] = "MESSAGE-ID"
    require_unchanged("dead-letter-format", shown(properties))


def shown(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}


def test_commands_and_options() -> None:
    require_unchanged("commands", dict(commands(typer.main.get_command(app))))


def commands(command: Any, name: str = "marketplace") -> Iterator[tuple[str, Any]]:
    yield name, [parameter(each) for each in command.params if each.name != "help"]
    for each, inner in sorted(getattr(command, "commands", {}).items()):
        yield from commands(inner, f"{name} {each}")


def parameter(each: Any) -> dict[str, Any]:
    choices = [choice for choice in get_args(each.type_descriptor.annotation) if isinstance(choice, str)]
    names = ("opts", "secondary_opts", "required", "nargs", "multiple", "min", "max")
    return {"kind": each.param_type_name, "choices": choices} | {name: getattr(each, name, None) for name in names}


def test_options_of_the_benchmarks() -> None:
    source = (ROOT / "tests/benchmarks/__main__.py").read_text()
    require_unchanged("bench-options", sorted(re.findall(r'"(--[a-z]+)"', source)))


def test_environment_variables() -> None:
    for name in [*services(), "notifications.webhooks"]:
        if (ROOT / name.replace(".", "/") / "settings.py").exists():
            importlib.import_module(f"{name}.settings")
    importlib.import_module("infra.lab.stand_ins.settings")
    settings = {
        f"{owner(each)} {variable.upper()}": field.is_required()
        for each in subclasses(BaseSettings)
        if each.__module__.split(".")[0] in ("infra", "marketplace_runtime", *services())
        for variable, field in each.model_fields.items()
    }
    source = "\n".join(file.read_text() for file in (ROOT / "infra").rglob("*.py"))
    of_the_tools = sorted(set(re.findall(r"MARKETPLACE_[A-Z_]*[A-Z]", source)))
    require_unchanged("environment", {"settings": settings, "tools": of_the_tools})


def owner(settings: type) -> str:
    """Return the service that has these settings, or `infra` for those of every service."""
    package = settings.__module__.split(".")[0]
    return package if package in services() else "infra"


def services() -> list[str]:
    return services_of(ROOT)


def subclasses(of: type) -> Iterator[type[Any]]:
    for each in of.__subclasses__():
        yield each
        yield from subclasses(each)


def test_problem_types() -> None:
    load_services(services())
    found = [Problem, *subclasses(Problem)]
    ours = [each for each in found if not each.__module__.startswith("tests")]
    require_unchanged("problems", {each.slug: each.status for each in ours})


def test_metric_names() -> None:
    load_services(services())
    found = {
        metric.name: [metric.type, *getattr(collector, "_labelnames", ())]
        for collector in set(REGISTRY._collector_to_names)
        for metric in getattr(collector, "describe", collector.collect)()
        if not metric.name.startswith(("python_", "process_"))
    }
    require_unchanged("metrics", found)


def test_numbers_of_advisory_locks() -> None:
    packages = [ROOT / name for name in ("infra", *services())]
    found = {
        number.replace("_", "")
        for package in packages
        for file in package.rglob("*.py")
        for number in ADVISORY_LOCK.findall(file.read_text())
    }
    require_unchanged("advisory-locks", sorted(found))


@pytest.mark.parametrize("name", services())
def test_subscriptions_and_published_events(name: str) -> None:
    service = next(each for each in load_services(services()) if each.name == name)
    wiring = service.wiring()
    found = {
        "hears": {queue: sorted(types) for queue, types in wiring.subscriptions.items()},
        "ordered": sorted(wiring.ordered),
        "says": sorted(event.type for event in service.publishes),
        "told to itself": dict(service.internal_subscriptions),
    }
    require_unchanged(f"service-{name}", found)
