"""The schema of the runtime's tables. SQL in this library calls it `messaging`; applications may name it otherwise."""

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, event

WRITTEN = "messaging"
_NAMED = re.compile(rf"\b{WRITTEN}(?=\.|, pg_temp)")
"""Before a name, and in the search path of functions."""


@lru_cache(maxsize=256)
def in_schema(schema: str, statement: str) -> str:
    """Return `statement` with `schema` in place of `messaging`."""
    return statement if schema == WRITTEN else _NAMED.sub(schema, statement)


def use_schema(engine: Engine, schema: str) -> None:
    """Have every statement of `engine` name `schema` instead of `messaging`."""
    if schema == WRITTEN:
        return

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def _rename(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        return in_schema(schema, statement), parameters
