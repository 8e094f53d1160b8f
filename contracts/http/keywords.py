"""Judges changes of single keywords of a schema: types, allowed values, bounds, and other restrictions.

In both directions the rule is the same. What the sender may send, the receiver must accept. So each keyword of the
receiver's schema must restrict no more than the sender's does.
"""

from collections.abc import Iterator

from contracts.findings import (
    LOWER_BOUNDS,
    UPPER_BOUNDS,
    Finding,
    describe_change,
    describe_enum_change,
    enum_changes,
)
from contracts.http.directions import Direction
from contracts.normal_form import ANNOTATION_KEYWORDS, Schema, canonical_json

TYPES_IN_PYTHON = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
RESTRICTIONS = LOWER_BOUNDS | UPPER_BOUNDS | {"enum", "format", "multipleOf", "pattern", "uniqueItems"}
"""Keywords that only restrict the value itself: without one, more values are valid."""
WITHOUT_EFFECT = {"minLength": 0, "minItems": 0, "minProperties": 0, "uniqueItems": False}
DIRECTION_ANNOTATIONS = {"readOnly", "writeOnly"}
"""Annotations that decide in OpenAPI in which direction a field is sent."""
IGNORED = (ANNOTATION_KEYWORDS - DIRECTION_ANNOTATIONS) | {"example", "externalDocs", "$defs"}


def is_ignored(keyword: str) -> bool:
    """Return whether a keyword is a text for people, or an extension."""
    return keyword in IGNORED or keyword.startswith("x-")


def constraints(schema: Schema) -> Schema:
    """Return the keywords of a schema that restrict values; a constant as an enum, and without null and the default."""
    form = {
        keyword: value
        for keyword, value in schema.items()
        if not is_ignored(keyword) and keyword != "default" and WITHOUT_EFFECT.get(keyword, ...) != value
    }
    if "const" in form:
        form["enum"] = [form.pop("const")]
    if isinstance(form.get("type"), list) and "null" in form["type"]:
        others = sorted(each for each in form["type"] if each != "null")
        form["type"] = others[0] if len(others) == 1 else others
    return form


def types_of(schema: Schema) -> frozenset[str]:
    """Return the JSON types that a schema permits by itself, without its unions."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    of_values = TYPES if values is None else frozenset(TYPES_IN_PYTHON.get(type(each), "null") for each in values)
    named = schema.get("type", of_values)
    types = frozenset([named] if isinstance(named, str) else named)
    return types if "null" in of_values else types - {"null"}


def describe_types(schema: Schema) -> str:
    """Return the types in words, without null."""
    union = schema.get("anyOf", schema.get("oneOf"))
    if union is not None:
        return " or ".join(sorted({describe_types(each) for each in union} - {"null"}))
    if schema.get("not") == {}:
        return "nothing"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    types = types_of(schema)
    return "anything" if types >= TYPES - {"null"} else " or ".join(sorted(types - {"null"})) or "null"


def type_differences(old: Schema, new: Schema, path: str, direction: Direction) -> Iterator[Finding]:
    """Yield a finding if a value of a type may be sent that the receiver does not know. Null is judged elsewhere."""
    sent, expected = (types_of(each) - {"null"} for each in direction.sent_and_expected(old, new))
    if "number" in expected:
        expected |= {"integer"}
    if not sent <= expected:
        change = f"type changed from {describe_types(old)} to {describe_types(new)}"
        yield Finding(path, change, direction.refusal)


def restriction_differences(old: Schema, new: Schema, path: str, direction: Direction) -> Iterator[Finding]:
    """Yield a finding for each restriction under which the receiver refuses what the sender may send."""
    sent, expected = direction.sent_and_expected(old, new)
    for keyword in sorted(RESTRICTIONS & expected.keys()):
        if keyword == "enum" and "enum" in sent:
            unknown, _ = enum_changes(expected["enum"], sent["enum"])
            if unknown:
                change = describe_enum_change(*enum_changes(old["enum"], new["enum"]))
                yield Finding(path, change, direction.refusal)
        elif keyword not in sent or not _restricts_no_more(keyword, expected[keyword], sent[keyword]):
            yield Finding(path, describe_change(keyword, old, new), direction.refusal)


def _restricts_no_more(keyword: str, expected: object, sent: object) -> bool:
    if canonical_json(expected) == canonical_json(sent):
        return True
    if isinstance(expected, int | float) and isinstance(sent, int | float):
        return (keyword in LOWER_BOUNDS and expected <= sent) or (keyword in UPPER_BOUNDS and expected >= sent)
    return False
