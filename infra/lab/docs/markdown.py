"""Writes the Markdown that the generated pages have in common: tables, and the fields of a JSON Schema."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. Line breaks and bars in the cells are made harmless."""
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    lines = [heads, ["---"] * len(heads), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table_of_contents(pages: Iterable[str], *options: str) -> str:
    """Return a table of contents in Sphinx's notation, with options such as `:hidden:`."""
    return "\n".join(["```{toctree}", *options, "", *pages, "```"])


def fields(schema: Document, document: Document) -> str:
    """Return a table of all fields of an object, at any depth. References lead into the components of `document`."""
    rows = [
        (f"`{path}`", type_text, "" if required else "optional", words)
        for path, type_text, required, words in _fields(resolved(schema, document), document, "")
    ]
    return table(["field", "type", "", "meaning"], rows) if rows else ""


def resolved(schema: Document, document: Document) -> Document:
    """Return the component that a schema refers to, or the schema itself if it is no reference."""
    while "$ref" in schema:
        place: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        schema = place
    return schema


def describe_type(schema: Document) -> str:
    """Return the type of a value in a few words, such as `integer ≥ 1`."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(describe_type(each) for each in schema["anyOf"]))
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if values:
        return " or ".join(f"`{value}`" for value in values)
    bounds = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    return " ".join([schema.get("format") or schema.get("type", "anything"), *bounds])


def _fields(schema: Document, document: Document, prefix: str) -> Iterator[tuple[str, str, bool, str]]:
    """Yield path, type, whether it is required, and description of every field, at any depth."""
    for name, field in schema.get("properties", {}).items():
        choices = [resolved(each, document) for each in field.get("anyOf", [field]) if each.get("type") != "null"]
        inner, path = choices[0], prefix + name
        words = field.get("description") or inner.get("description", "")
        if inner.get("type") == "array":
            inner, path = resolved(inner["items"], document), path + "[]"
        yield path, describe_type(inner), name in schema.get("required", ()), words
        yield from _fields(inner, document, f"{path}.")
