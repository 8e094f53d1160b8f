"""Hypothesis strategies for instances of a JSON Schema, of the kinds that our events use."""

from datetime import UTC
from functools import cache
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

FORMATS = {
    "uuid": st.uuids().map(str),
    "date-time": st.datetimes(timezones=st.just(UTC)).map(lambda each: each.isoformat()),
}
ASCII = st.characters(codec="ascii", exclude_categories=["Cc"])


def instances(schema: Schema, definitions: Schema | None = None) -> st.SearchStrategy[Any]:
    """Return valid instances with described fields only, as a publisher writes them."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return instances(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return st.one_of(*(instances(each, definitions) for each in schema[union]))
    match schema["type"]:
        case "object":
            return _objects(schema, definitions)
        case "array":
            items = instances(schema["items"], definitions)
            least = schema.get("minItems", 0)
            return st.lists(items, min_size=least, max_size=min(schema.get("maxItems", least + 3), least + 3))
        case "string":
            return _texts(schema)
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "number":
            return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case other:
            raise AssertionError(f"no strategy for {other!r}; add one for: {schema}")


def _objects(schema: Schema, definitions: Schema) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: instances(each, definitions) for name, each in schema.get("properties", {}).items()}
    required = schema.get("required", [])
    return st.fixed_dictionaries(
        {name: fields[name] for name in required},
        optional={name: each for name, each in fields.items() if name not in required},
    )


def _texts(schema: Schema) -> st.SearchStrategy[str]:
    if "format" in schema:
        return FORMATS[schema["format"]]
    if "pattern" in schema:
        longest = schema.get("maxLength", 1000)
        return _matching(schema["pattern"]).filter(lambda text: len(text) <= longest)
    return st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength"))


@cache
def _matching(pattern: str) -> st.SearchStrategy[str]:
    """Return matches of an anchored pattern. Cached, and without the anchors, since both are slow in Hypothesis."""
    assert pattern.startswith("^")
    assert pattern.endswith("$")
    return st.from_regex(pattern[1:-1], fullmatch=True, alphabet=ASCII)


def known_to(schema: Schema, instance: Any, definitions: Schema | None = None) -> Any:
    """Return the instance without the fields that `schema` doesn't describe, which its reader ignores."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return known_to(definitions[schema["$ref"].removeprefix("#/$defs/")], instance, definitions)
    if instance is not None and "anyOf" in schema:
        members = [each for each in schema["anyOf"] if each != {"type": "null"}]
        # the gate allows no change within a union of several, so such a reader knows every field
        return known_to(members[0], instance, definitions) if len(members) == 1 else instance
    if isinstance(instance, dict):
        fields = schema.get("properties", {})
        return {name: known_to(fields[name], each, definitions) for name, each in instance.items() if name in fields}
    if isinstance(instance, list):
        return [known_to(schema["items"], each, definitions) for each in instance]
    return instance
