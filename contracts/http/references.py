"""Follows references inside an OpenAPI document."""

from typing import Any

Document = dict[str, Any]


def resolve(node: Document, document: Document) -> Document:
    """Return the object to which `node` refers, or `node` itself. Raises ValueError if a reference leads nowhere."""
    seen: set[str] = set()
    while "$ref" in node:
        reference = node["$ref"]
        if reference in seen:
            raise ValueError(f"the reference {reference} leads to itself")
        seen.add(reference)
        node = _follow(reference, document)
    return node


def _follow(reference: str, document: Document) -> Document:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    if not reference.startswith("#/") or not isinstance(found, dict):
        raise ValueError(f"the reference {reference} leads nowhere in this document")
    return found
