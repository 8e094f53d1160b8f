"""Makes one valid example for a JSON Schema, the same on every run.

Ids in fields of the same name are equal in all examples. Ids in fields of different names differ.
"""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

Schema = Mapping[str, Any]

FORMATS = {
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
}
PATTERNS = {r"^[A-Z]{3}$": "EUR", r"^[A-Za-z0-9._-]{1,64}$": "ada", r"^[a-z]+(-[a-z]+)*$": "no-address"}


def example(schema: Schema) -> Any:
    """Return a value that is valid for `schema`, a whole document with its `$defs`.

    Raises ValueError, or KeyError for a pattern, if no example is known.
    """
    return _example(schema, schema.get("$defs", {}), "")


def _example(schema: Schema, parts: Mapping[str, Schema], name: str) -> Any:  # noqa: PLR0911 - one arm per kind
    match schema:
        case {"$ref": reference}:
            return _example(parts[reference.removeprefix("#/$defs/")], parts, name)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"anyOf": [first, *_]}:
            return _example(first, parts, name)
        case {"type": "object"}:
            return {name: _example(each, parts, name) for name, each in schema.get("properties", {}).items()}
        case {"type": "array", "items": items}:
            return [_example(items, parts, name)] * max(1, schema.get("minItems", 1))
        case {"type": "integer"} | {"type": "number"}:
            return max(schema.get("minimum", 1), 1)
        case {"type": "boolean"}:
            return True
        case {"type": "string", "pattern": pattern}:
            return PATTERNS[pattern]
        case {"type": "string"}:
            if schema.get("format") == "uuid":
                return f"01930000-0000-7000-8000-{crc32(name.encode()) % 10**12:012}"
            text = FORMATS.get(schema.get("format", ""), name.replace("_", " ") or "text")
            return text.ljust(schema.get("minLength", 0), ".")
        case _:
            raise ValueError(f"No example is known for {schema}")
