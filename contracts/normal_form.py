"""Reduces a JSON Schema to what decides which instances are valid, so that two schemas can be compared by equality.

References are followed, so renaming a class is no change. A recursive reference becomes the number of levels up to its
target. Texts for people, such as titles and descriptions, are removed. A constant becomes an enum of one value, and
`anyOf` with null becomes the keyword `nullable`. Lists whose order has no meaning are sorted. Equal forms accept the
same instances; unequal forms may accept the same ones, too.
"""

import json
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

FOR_PEOPLE = {"$schema", "$comment", "title", "description", "examples", "deprecated", "readOnly", "writeOnly"}
DROPPED = FOR_PEOPLE | {"$defs", "x-event", "nullable"}
HOLDS_ONE = {"items", "additionalProperties", "propertyNames", "contains", "not"}
HOLDS_LIST = {"anyOf", "oneOf", "allOf", "prefixItems"}
HOLDS_NAMED = {"properties", "patternProperties", "dependentSchemas"}
UNORDERED = {"anyOf", "oneOf", "allOf", "enum", "required"}
NULL: Schema = {"type": "null"}


def normal_form(schema: Schema) -> Schema:
    """Return the normal form of a whole document with its `$defs`."""
    return _normal(schema, schema.get("$defs", {}), {}, 0)


def text(value: object) -> str:
    """Return JSON text that is equal for equal values: it distinguishes true from 1, and sorts keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _normal(schema: Schema | bool, definitions: Schema, above: Mapping[str, int], depth: int) -> Schema:
    """Return the normal form of a part. `above` has the depth at which each reference being followed was entered."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if "$ref" in schema:
        return _followed(schema, definitions, above, depth)
    form: Schema = {}
    for keyword, value in schema.items():
        if keyword in DROPPED:
            continue
        if keyword in HOLDS_ONE:
            form[keyword] = _normal(value, definitions, above, depth + 1)
        elif keyword in HOLDS_LIST:
            form[keyword] = [_normal(each, definitions, above, depth + 1) for each in value]
        elif keyword in HOLDS_NAMED:
            form[keyword] = {name: _normal(each, definitions, above, depth + 1) for name, each in value.items()}
        elif keyword == "discriminator":
            form[keyword] = value["propertyName"]
        else:
            form[keyword] = _plain(value)
    if "const" in form:
        form["enum"] = [form.pop("const")]
    for keyword in UNORDERED & form.keys():
        form[keyword].sort(key=text)
    return _nullable(form)


def _followed(schema: Schema, definitions: Schema, above: Mapping[str, int], depth: int) -> Schema:
    reference = schema["$ref"]
    name = reference.removeprefix("#/$defs/")
    if reference in above:
        target: Schema = {"$ref": depth - above[reference]}
    elif name in definitions:
        target = _normal(definitions[name], definitions, {**above, reference: depth}, depth)
    else:
        target = {"$ref": reference}
    beside = _normal({k: v for k, v in schema.items() if k != "$ref"}, definitions, above, depth)
    if beside.keys() <= {"default"}:
        return {**target, **beside}
    return {"allOf": sorted([target, beside], key=text)}


def _nullable(form: Schema) -> Schema:
    """Return `{"anyOf": [X, null]}` as X with the keyword `nullable`."""
    if NULL not in form.get("anyOf", ()) or form.keys() - {"anyOf", "default"}:
        return form
    branches = [each for each in form.pop("anyOf") if each != NULL]
    if len(branches) == 1 and not branches[0].keys() & {"nullable", "default"}:
        return {**branches[0], **form, "nullable": True}
    return {"anyOf": branches, **form, "nullable": True}


def _plain(value: Any) -> Any:
    """Return a value with whole floats written as integers, since JSON has one kind of number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
