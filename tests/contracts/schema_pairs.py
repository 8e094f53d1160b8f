"""Hypothesis strategies for pairs of schemas: a random one, and an edited copy of it."""

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from hypothesis import assume
from hypothesis import strategies as st

Schema = dict[str, Any]
NAMES = ["a", "b", "c"]
NULL: Schema = {"type": "null"}

limits = st.integers(0, 3)
higher = limits.map(lambda each: each + 3)
words = st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True)


def kind(name: str, **optional: st.SearchStrategy[int]) -> st.SearchStrategy[Schema]:
    return st.fixed_dictionaries({"type": st.just(name)}, optional=optional)


scalars = st.one_of(
    kind("boolean"),
    kind("number", minimum=limits),
    kind("integer", minimum=limits, maximum=higher),
    kind("string", minLength=limits, maxLength=higher),
    st.just({"type": "string", "format": "uuid"}),
    words.map(lambda each: {"type": "string", "enum": each}),
)


@st.composite
def objects(draw: st.DrawFn, parts: st.SearchStrategy[Schema]) -> Schema:
    fields = draw(st.dictionaries(st.sampled_from(NAMES), parts, min_size=1))
    required = draw(st.lists(st.sampled_from(sorted(fields)), unique=True))
    return {"type": "object", "properties": fields, "required": required}


def larger(parts: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        objects(parts),
        st.fixed_dictionaries({"type": st.just("array"), "items": parts}, optional={"minItems": st.just(1)}),
        parts.map(lambda each: each if "anyOf" in each else {"anyOf": [each, NULL], "default": None}),
    )


parts = st.recursive(scalars, larger, max_leaves=5).map(copy.deepcopy)  # constants are shared, and edited below
documents = objects(parts)


def places(schema: Schema) -> Iterator[Schema]:
    """Yield the schema and every schema inside it."""
    yield schema
    for each in [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]:
        yield from places(each)
    if "items" in schema:
        yield from places(schema["items"])


def is_satisfiable(place: Schema) -> bool:
    """Return whether the bounds allow an instance; otherwise no publisher could write one."""
    bounds = [("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")]
    return all(place[low] <= place[high] for low, high in bounds if low in place and high in place)


def add_optional(draw: st.DrawFn, place: Schema) -> None:
    place["properties"][draw(st.sampled_from(["d", "e"]))] = draw(parts)


def change(draw: st.DrawFn, place: Schema) -> None:
    """Make one edit, of a kind that the gate may or may not accept."""
    fields = place.get("properties", {})
    match draw(st.sampled_from(["replace", "limit", "enum", "title", "drop", "require", "release", "null"])):
        case "replace":
            other = draw(parts)
            place.clear()
            place.update(other)
        case "limit":
            keyword = draw(st.sampled_from(["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"]))
            place[keyword] = draw(limits)
            assume(is_satisfiable(place))
        case "enum":
            place["enum"] = draw(st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True))
        case "title":
            place["title"] = "Title"
        case "drop" if len(fields) > 1:
            name = draw(st.sampled_from(sorted(fields)))
            del fields[name]
            place["required"] = [each for each in place["required"] if each != name]
        case "require" if fields:
            place["required"] = sorted({*place["required"], draw(st.sampled_from(sorted(fields)))})
        case "release" if fields:
            place["required"] = place["required"][1:]
        case "null" if "anyOf" not in place:
            inner = copy.deepcopy(place)
            place.clear()
            place.update({"anyOf": [inner, dict(NULL)]})


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """Draw a schema and an edited copy of it. Optional additions are the most frequent edit."""
    old = draw(documents)
    new = copy.deepcopy(old)
    for _ in range(draw(st.integers(1, 3))):
        everywhere = list(places(new))
        if draw(st.booleans()):
            add_optional(draw, draw(st.sampled_from([each for each in everywhere if "properties" in each])))
        else:
            change(draw, draw(st.sampled_from(everywhere)))
        assume(new.get("type") == "object")
    return old, new


def accepts(schema: Schema, instance: Any) -> bool:
    return jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(instance)
