"""Hooks for schemathesis if it sends its requests through the gateway, which has answers of its own."""

from typing import Any

import schemathesis

from tests.system.schemathesis_checks import before_load_schema, errors_are_problems

__all__ = ["before_load_schema", "errors_are_problems"]


@schemathesis.hook
def after_load_schema(_context: Any, schema: Any) -> None:
    """Allow 429 (rates) everywhere."""
    for operation in (each for path in schema.raw_schema["paths"].values() for each in path.values()):
        operation["responses"].setdefault("429", {"description": "Too many requests"})
