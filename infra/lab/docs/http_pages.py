"""Writes the pages about the HTTP APIs, from the OpenAPI documents of the services."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from infra.lab.docs.markdown import Document, describe_type, fields, resolved, table, table_of_contents

FOLDER = "reference/http"
OPERATOR_PREFIX = "/ops/"
COMMON_PARAMETERS = {"Request-Timeout", "Idempotency-Key"}
UNLISTED = {"/livez", "/readyz", "/metrics", "/openapi.json"}
"""Paths that are alike in every service. The first page describes them."""

INDEX = """# HTTP APIs

Requests and answers are JSON. Every error is a problem document as defined by RFC 9457, with the media type
`application/problem+json`. Every route accepts a `Request-Timeout` header, and every POST an `Idempotency-Key`.

Each service also serves `/livez` and `/readyz` (probes), `/metrics` (Prometheus) and `/openapi.json`.

"""


def http_pages(documents: Mapping[str, Document]) -> dict[str, str]:
    """Return the text of each page by its path. `documents` has the OpenAPI document of each service."""
    every_service: dict[str, Any] = {}
    pages = {}
    for service, document in documents.items():
        own = {path: each for path, each in document["paths"].items() if not path.startswith(OPERATOR_PREFIX)}
        link = f'<a href="../../openapi/{service}.json">OpenAPI document</a>'
        pages[service] = _page(f"HTTP API of {service}", link, own, document)
        every_service |= {path: (each, document) for path, each in document["paths"].items() if path not in own}
    about = "Every service has these routes; a route for a read model is missing where there is none."
    sections = [_page("", "", {path: each}, document) for path, (each, document) in sorted(every_service.items())]
    pages["operators"] = f"# HTTP API for operators\n\n{about}\n" + "".join(sections)
    index = INDEX + table_of_contents(pages) + "\n"
    return {f"{FOLDER}/index.md": index} | {f"{FOLDER}/{name}.md": text for name, text in pages.items()}


def _page(title: str, about: str, paths: Document, document: Document) -> str:
    sections = [
        _operation(method, path, operation, document)
        for path, methods in paths.items()
        if path not in UNLISTED
        for method, operation in methods.items()
    ]
    head = f"# {title}\n\n{about}\n" if title else ""
    return head + "".join(f"\n{section}\n" for section in sections)


def _operation(method: str, path: str, operation: Document, document: Document) -> str:
    parts = [f"## {method.upper()} `{path}`", operation.get("description", operation["summary"])]
    parts += _parameters(operation, document)
    body = _schema(operation.get("requestBody", {}), document)
    if body is not None and (rows := fields(body, document)):
        parts += ["**Request body**", rows]
    answers, problems = [], []
    for status, answer in sorted(operation["responses"].items()):
        if status.startswith("2"):
            answers.append(f"**Answer {status}** {HTTPStatus(int(status)).phrase}")
            schema = _schema(resolved(answer, document), document)
            answers += [fields(schema, document)] if schema is not None else []
        else:
            problems.append(f"{status} {resolved(answer, document)['description']}")
    return "\n\n".join(filter(None, [*parts, *answers, f"**Problems:** {'; '.join(problems)}"]))


def _parameters(operation: Document, document: Document) -> Iterator[str]:
    rows = [
        (
            f"`{each['name']}`",
            each["in"],
            describe_type(each["schema"]),
            "" if each.get("required") else "optional",
            _words(each),
        )
        for each in operation.get("parameters", ())
        if each["name"] not in COMMON_PARAMETERS
    ]
    if rows:
        yield table(["parameter", "in", "type", "", "meaning"], rows)


def _words(parameter: Document) -> str:
    return str(parameter.get("description") or parameter["schema"].get("description", ""))


def _schema(content: Document, document: Document) -> Document | None:
    """Return the schema of a JSON body, or of its items if it is a list; None if there is no such body."""
    for media_type, each in content.get("content", {}).items():
        if media_type == "application/json":
            schema = resolved(each["schema"], document)
            return resolved(schema["items"], document) if schema.get("type") == "array" else schema
    return None
