"""Renders the AsyncAPI document as one HTML page that needs no network: events, schemas, examples and the map."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from infra.lab.docs.drawing import svg
from infra.lab.docs.event_map import readable
from infra.lab.docs.wiring import Wired, hearers

TEMPLATE = Path(__file__).parent / "page.html"

Document = Mapping[str, Any]


def page(document: Document, services: Sequence[Wired]) -> str:
    """Return the whole page."""
    messages = {each["name"]: each for each in document["components"]["messages"].values()}
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(document["info"]["title"]),
        version=escape(document["info"]["version"]),
        description=escape(document["info"]["description"]),
        count=len(messages),
        map=svg(services),
        contents="\n".join(_contents(services)),
        headers=_fields(document["components"]["schemas"]["CloudEventsHeaders"], document),
        events="\n".join(
            _event(messages[type], publisher.service, hearers(services, type), document)
            for publisher in services
            for type in publisher.says
        ),
    )


def _contents(services: Sequence[Wired]) -> Iterator[str]:
    for each in services:
        links = "".join(f'<li><a href="#{type}">{escape(readable(type))}</a></li>' for type in each.says)
        yield f"<h3>{escape(each.service)}</h3><ul>{links}</ul>"


def _event(message: Document, publisher: str, queues: Sequence[str], document: Document) -> str:
    type, schema = message["name"], _resolved(message["payload"], document)
    about = schema["x-event"]
    last = f' <strong class="late">said until {escape(about["deprecated"])}</strong>' if "deprecated" in about else ""
    heard = ", ".join(f"<code>{escape(queue)}</code>" for queue in queues) or "nobody"
    example = escape(json.dumps(message["examples"][0]["payload"], indent=2, ensure_ascii=False))
    return f"""<section id="{type}">
<h2>{escape(readable(type))} <code>{type}</code>{last}</h2>
<p>{escape(message["summary"])}</p>
<p>Said by <strong>{escape(publisher)}</strong> about one <code>{escape(about["key"])}</code>. Heard by {heard}.</p>
{_fields(schema, document)}
<details><summary>Example</summary><pre>{example}</pre></details>
<details><summary>JSON Schema</summary><pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre></details>
</section>"""


def _fields(schema: Document, document: Document) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(path)}</code></td><td>{escape(kind)}</td><td>{'' if needed else 'optional'}</td>"
        f"<td>{escape(words)}</td></tr>"
        for path, kind, needed, words in _rows(schema, document, "")
    )
    return f"<table><tr><th>field</th><th>type</th><th></th><th></th></tr>{rows}</table>"


def _rows(schema: Document, document: Document, prefix: str) -> Iterator[tuple[str, str, bool, str]]:
    """Yield path, type, whether it is required, and description of every field, at any depth."""
    for name, field in schema.get("properties", {}).items():
        choices = [_resolved(each, document) for each in field.get("anyOf", [field]) if each.get("type") != "null"]
        inner = _resolved(choices[0], document)
        path = prefix + name
        words = field.get("description") or inner.get("description", "")
        if inner.get("type") == "array":
            inner, path = _resolved(inner["items"], document), path + "[]"
        yield path, _kind(inner), name in schema.get("required", ()), " ".join(words.split())
        yield from _rows(inner, document, f"{path}.")


def _kind(schema: Document) -> str:
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    bounds = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    kind = " | ".join(map(str, values)) or schema.get("format") or schema.get("type", "anything")
    return " ".join([kind, *bounds])


def _resolved(schema: Document, document: Document) -> Document:
    """Return the component that a schema refers to, or the schema itself if it is no reference."""
    if "$ref" not in schema:
        return schema
    found: Document = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found
