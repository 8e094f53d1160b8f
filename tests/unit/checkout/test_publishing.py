"""Each use case declares what it publishes, and only `publishing` publishes."""

import ast
import inspect
from pathlib import Path

import checkout
from checkout import handlers
from checkout.service import SERVICE
from marketplace_runtime.database import declaration_of

MODULES = sorted(Path(checkout.__file__).parent.rglob("*.py"))
USE_CASES = {
    name: declaration_of(function)
    for name, function in inspect.getmembers(handlers, inspect.iscoroutinefunction)
    if function.__module__ == handlers.__name__ and not name.startswith("_")
}


def test_every_use_case_declares_what_it_publishes() -> None:
    assert [name for name, declaration in USE_CASES.items() if declaration is None] == []


def test_the_use_cases_together_publish_what_the_service_says_and_nothing_else() -> None:
    declared = {event for declaration in USE_CASES.values() if declaration for event in declaration.events}
    assert declared == set(SERVICE.says)


def test_only_publishing_publishes() -> None:
    publishing = {path.stem for path in MODULES if calls_publish(path)}
    assert publishing == {"publishing"}


def calls_publish(path: Path) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(isinstance(called, ast.Attribute) and called.attr == "publish" for called in calls)
