"""Delivery publishes in one place, and every use case declares what it publishes."""

import ast
from collections.abc import Iterator
from inspect import isfunction
from pathlib import Path

import delivery
from delivery import api, handlers
from delivery.service import SERVICE
from marketplace_runtime.database import declaration_of

PACKAGE = Path(delivery.__file__).parent
DECLARATIONS = {
    name: declaration
    for name, each in vars(handlers).items()
    if isfunction(each) and (declaration := declaration_of(each))
}


def attributes(path: Path) -> Iterator[ast.Attribute]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute))


def test_every_use_case_declares_what_it_publishes() -> None:
    reactions = [each for subscription in SERVICE.hears for each in subscription.reactions.values()]
    wired = {step.__name__ for each in reactions for step in each.use_cases}
    sweeps = {each.__name__ for each in SERVICE.sweeps}
    called = {node.attr for node in attributes(Path(api.__file__)) if ast.unparse(node.value) == "handlers"}
    assert {"track_shipment", "record_address", "erase_address"} <= called
    assert set(DECLARATIONS) == wired | sweeps | called


def test_the_declarations_together_are_what_the_service_publishes() -> None:
    declared = {event for declaration in DECLARATIONS.values() for event in declaration.events}
    assert declared == set(SERVICE.says)


def test_only_one_module_publishes() -> None:
    publishing = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if any(node.attr == "publish" for node in attributes(path))
    ]
    assert publishing == ["publishing.py"]
