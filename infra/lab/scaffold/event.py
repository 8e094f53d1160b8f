"""Plans a new event: its class, its line in the event registry, and its golden schema."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from infra.lab.scaffold.names import EventName, find_versions, services_in
from infra.lab.scaffold.next_version import add_next_version
from infra.lab.scaffold.plan import Plan, Refused

REGISTRY = "contracts/registry.py"
KEY_TYPES = {"customer_id": "PersonId", "person_id": "PersonId", "seller_id": "PersonId"}
"""Types of the keys that name a person. Every other key is a UUID."""
IMPORTS = {"UUID": "from uuid import UUID\n", "PersonId": "from marketplace_runtime.events import PersonId\n"}


def new_event(checkout: Path, text: str, *, types: Sequence[str], key: str | None = None) -> Plan:
    """Return the plan for a new event of an existing service. `types` are all existing event types.

    Raises `Refused` if the name or the key is not possible.
    """
    name = EventName.parse(text)
    services = services_in(checkout)
    if name.publisher not in services:
        raise Refused(
            f"There is no service called {name.publisher}.",
            f"Services: {', '.join(services)}. Add it: ./marketplace new service {name.publisher} --publishes {text} …",
        )
    if key is not None and find_versions(types, name):
        raise Refused("The next version of an event has the same key.", "Leave --key out; change the class later.")
    plan = Plan(checkout)
    add_event(plan, name, types=types, key=key or f"{name.name.split('-')[0]}_id")
    plan.commands += [*formatting_commands(plan), ("contracts", "write", "--events-only")]
    return plan


def add_event(plan: Plan, name: EventName, *, types: Sequence[str], key: str, key_type: str | None = None) -> None:
    """Add an event to a plan, with its key as the only field. `formatting_commands` must follow, to sort imports.

    The next version of an existing event gets the fields of the newest version, and an upcast from it. Raises `Refused`
    if the version is not the next one, or if the key is not a field's name.
    """
    existing = find_versions(types, name)
    if existing:
        newest = EventName.parse(max(existing, key=lambda each: int(each.rpartition(".v")[2])))
        following = replace(newest, version=newest.version + 1)
        if name != following:
            raise Refused(
                f"There is an event {newest.type} already.",
                f"Its next version: ./marketplace new event {following.type}",
            )
        add_next_version(plan, newest, name)
        _add_line(plan, name, after=newest)
        return
    if name.version > 1:
        first = replace(name, version=1)
        raise Refused(f"There is no event {first.type} yet.", f"Create it first: ./marketplace new event {first.type}")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", key):
        raise Refused(
            f"{key!r} can't be a field's name.", "Use lower-case letters, digits and underscores, such as order_id."
        )
    annotation = key_type or KEY_TYPES.get(key, "UUID")
    _add_class(plan, name, key, annotation)
    _add_line(plan, name)


def formatting_commands(plan: Plan) -> list[Sequence[str]]:
    """Return the commands that sort imports and format lines of the plan's Python files, as the linters require."""
    files = sorted(path for path in plan.files if path.endswith(".py"))
    return [
        ("ruff", "check", "--no-cache", "--select=I,F401", "--fix", "--quiet", *files),
        ("ruff", "format", "--no-cache", "--quiet", *files),
    ]


def _add_class(plan: Plan, name: EventName, key: str, annotation: str) -> None:
    path = f"contracts/{name.publisher}.py"
    module = plan.read(path) if plan.exists(path) else f'"""Events that {name.publisher} publishes."""\n'
    docstring, end, rest = module.partition('"""\n')
    imports = "\nfrom marketplace_runtime.events import Event\n" + IMPORTS.get(annotation, "")
    module = docstring + end + imports + rest.removeprefix("\n")
    module += (
        f'\n\nclass {name.class_name}(Event, type="{name.type}", key="{key}"):\n'
        f'    """Describe in one sentence what has happened."""\n\n    {key}: {annotation}\n'
    )
    plan.files[path] = module


def _add_line(plan: Plan, name: EventName, after: EventName | None = None) -> None:
    text = plan.read(REGISTRY)
    line = f"    {name.publisher}.{name.class_name},\n"
    before = after.class_name if after else r"\w+"
    lines = list(re.finditer(rf"^    {name.publisher}\.{before},\n", text, re.MULTILINE))
    if lines:
        text = text[: lines[-1].end()] + line + text[lines[-1].end() :]
    else:
        modules = re.search(r"^from contracts import (.+)$", text, re.MULTILINE)
        if modules is None:
            raise Refused(f"{REGISTRY} has an unexpected form.", "It must contain: from contracts import cart, …")
        names = ", ".join(sorted([*modules[1].split(", "), name.publisher]))
        text = text.replace(modules[0], f"from contracts import {names}", 1)
        text = text.replace("\n)\n\nBY_TYPE", f"\n    # what {name.publisher} publishes\n{line})\n\nBY_TYPE", 1)
    plan.files[REGISTRY] = text
