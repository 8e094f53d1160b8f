"""Reduces a JSON Schema to its constraints on instances, so that two schemas can be compared by equality.

References are followed, so renaming a class is no change. A recursive reference becomes the number of levels up to its
target. Texts for people, such as titles and descriptions, are removed. A constant becomes an enum of one value, and
`anyOf` with null becomes the keyword `nullable`. Lists whose order has no meaning are sorted. Equal forms accept the
same instances; unequal forms may accept the same ones, too.
"""

import json
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

ANNOTATION_KEYWORDS = {"$schema", "$comment", "title", "description", "examples", "deprecated", "readOnly", "writeOnly"}
IGNORED_KEYWORDS = ANNOTATION_KEYWORDS | {"$defs", "x-event", "nullable"}
"""JSON Schema ignores a `nullable` of the input, so it must not be mistaken for the normal form's own `nullable`."""
SCHEMA_KEYWORDS = {"items", "additionalProperties", "propertyNames", "contains", "not"}
SCHEMA_LIST_KEYWORDS = {"anyOf", "oneOf", "allOf", "prefixItems"}
SCHEMA_MAP_KEYWORDS = {"properties", "patternProperties", "dependentSchemas"}
UNORDERED_KEYWORDS = {"anyOf", "oneOf", "allOf", "enum", "required"}
NULL: Schema = {"type": "null"}


def normal_form(schema: Schema) -> Schema:
    """Return the normal form of a whole document with its `$defs`."""
    return _normalize(schema, schema.get("$defs", {}), {}, 0)


def canonical_json(value: object) -> str:
    """Return JSON text that is equal for equal values: it distinguishes true from 1, and sorts keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _normalize(schema: Schema | bool, definitions: Schema, open_references: Mapping[str, int], depth: int) -> Schema:
    """Return the normal form of a part. `open_references` has the depth of each reference that is being followed."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if "$ref" in schema:
        return _resolve_reference(schema, definitions, open_references, depth)
    form: Schema = {}
    for keyword, value in schema.items():
        if keyword in IGNORED_KEYWORDS:
            continue
        if keyword in SCHEMA_KEYWORDS:
            form[keyword] = _normalize(value, definitions, open_references, depth + 1)
        elif keyword in SCHEMA_LIST_KEYWORDS:
            form[keyword] = [_normalize(each, definitions, open_references, depth + 1) for each in value]
        elif keyword in SCHEMA_MAP_KEYWORDS:
            form[keyword] = {
                name: _normalize(each, definitions, open_references, depth + 1) for name, each in value.items()
            }
        elif keyword == "discriminator":
            form[keyword] = value["propertyName"]
        else:
            form[keyword] = _normalize_numbers(value)
    if "const" in form:
        form["enum"] = [form.pop("const")]
    for keyword in UNORDERED_KEYWORDS & form.keys():
        form[keyword].sort(key=canonical_json)
    return _normalize_nullable(form)


def _resolve_reference(schema: Schema, definitions: Schema, open_references: Mapping[str, int], depth: int) -> Schema:
    reference = schema["$ref"]
    name = reference.removeprefix("#/$defs/")
    if reference in open_references:
        target: Schema = {"$ref": depth - open_references[reference]}
    elif name in definitions:
        target = _normalize(definitions[name], definitions, {**open_references, reference: depth}, depth)
    else:
        target = {"$ref": reference}
    siblings = _normalize({k: v for k, v in schema.items() if k != "$ref"}, definitions, open_references, depth)
    if siblings.keys() <= {"default"}:
        return {**target, **siblings}
    return {"allOf": sorted([target, siblings], key=canonical_json)}


def _normalize_nullable(form: Schema) -> Schema:
    """Return `{"anyOf": [X, null]}` as X with the keyword `nullable`."""
    if NULL not in form.get("anyOf", ()) or form.keys() - {"anyOf", "default"}:
        return form
    branches = [each for each in form.pop("anyOf") if each != NULL]
    if len(branches) == 1 and not branches[0].keys() & {"nullable", "default"}:
        return {**branches[0], **form, "nullable": True}
    return {"anyOf": branches, **form, "nullable": True}


def _normalize_numbers(value: Any) -> Any:
    """Return a value with whole floats written as integers, since JSON has one kind of number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_normalize_numbers(each) for each in value]
    if isinstance(value, dict):
        return {name: _normalize_numbers(each) for name, each in value.items()}
    return value
