"""Compares the declarations of a service's use cases with the service's table and source."""

import ast
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from types import ModuleType
from typing import Any

from marketplace_runtime.database import declaration_of
from marketplace_runtime.service import Service

UseCase = Callable[..., Awaitable[Any]]


def require_true_declarations(service: Service, handlers: Sequence[ModuleType]) -> None:
    """Assert that every use case has a declaration, and that only files named `publishing.py` publish.

    The modules `handlers` have the use cases. Together these declare exactly the events in the service's table.
    """
    use_cases = {*service.use_cases, *_use_cases_of_modules(service, handlers)}
    undeclared = sorted(each.__qualname__ for each in use_cases if declaration_of(each) is None)
    assert not undeclared, f"use cases without @publishes: {undeclared}"
    declared = {event.type for each in use_cases if (found := declaration_of(each)) for event in found.events}
    named = {event.type for event in service.publishes}
    assert declared == named, f"declared only: {declared - named}; in the table only: {named - declared}"
    publishing = _files_that_publish(Path(import_module(service.name).__path__[0]))
    assert {path.name for path in publishing} == {"publishing.py"}, f"files that publish: {publishing}"


def _use_cases_of_modules(service: Service, modules: Sequence[ModuleType]) -> set[UseCase]:
    """Return the public async functions of the modules, except those that load a batch."""
    loads = {each.load for subscription in service.subscriptions for each in subscription.reactions.values()}
    return {
        each
        for module in modules
        for name, each in vars(module).items()
        if iscoroutinefunction(each) and each.__module__.startswith(module.__name__)
        if not name.startswith("_") and each not in loads
    }


def _files_that_publish(package: Path) -> list[Path]:
    return [path for path in sorted(package.rglob("*.py")) if _publishes(ast.parse(path.read_text()))]


def _publishes(source: ast.Module) -> bool:
    calls = [node.func for node in ast.walk(source) if isinstance(node, ast.Call)]
    return any(isinstance(each, ast.Attribute) and each.attr == "publish" for each in calls)
