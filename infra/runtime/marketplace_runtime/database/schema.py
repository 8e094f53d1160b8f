"""Replaces the name of the runtime's schema in SQL statements.

The runtime's statements call the schema `messaging`; an application may use another name.
"""

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, event

DEFAULT_SCHEMA = "messaging"
_SCHEMA_REFERENCE = re.compile(rf"\b{DEFAULT_SCHEMA}(?=\.|, pg_temp)")
"""Matches the schema before a name, and in the search path of functions."""


@lru_cache(maxsize=256)
def in_schema(schema: str, statement: str) -> str:
    """Return `statement` with `schema` in place of `messaging`."""
    return statement if schema == DEFAULT_SCHEMA else _SCHEMA_REFERENCE.sub(schema, statement)


def use_schema(engine: Engine, schema: str) -> None:
    """Make every statement of `engine` use `schema` instead of `messaging`."""
    if schema == DEFAULT_SCHEMA:
        return

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def _rename(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        return in_schema(schema, statement), parameters
