"""Lists the operations of an OpenAPI document, with what an operation takes from its path or from the document."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts.http.keywords import is_ignored
from contracts.http.references import Document, resolve
from contracts.normal_form import canonical_json

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
TEXTS = {"tags", "summary", "operationId"}
JUDGED = {"parameters", "requestBody", "responses", "security"}
ParameterKey = tuple[str, str | int]
Alternative = frozenset[tuple[str, frozenset[str]]]
"""Security schemes that a request needs together, each with its scopes."""


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    item: Document
    """The path item, which may have parameters for all of its operations."""
    content: Document
    document: Document

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def key(self) -> tuple[str, str]:
        """The method and the path without the names of its parameters, which no request contains."""
        return self.method, re.sub(r"\{[^}]*\}", "{}", self.path)

    @property
    def parameters(self) -> dict[ParameterKey, Document]:
        """The parameters by place and name. One in the path is known by its position, a header in any case."""
        positions = re.findall(r"\{([^}]*)\}", self.path)
        found: dict[ParameterKey, Document] = {}
        for each in [*self.item.get("parameters", []), *self.content.get("parameters", [])]:
            parameter = resolve(each, self.document)
            place, name = parameter["in"], parameter["name"]
            if place == "path" and name in positions:
                found[place, positions.index(name)] = parameter
            else:
                found[place, name.lower() if place == "header" else name] = parameter
        return found

    @property
    def body(self) -> Document | None:
        body = self.content.get("requestBody")
        return None if body is None else resolve(body, self.document)

    @property
    def responses(self) -> dict[str, Document]:
        return {str(status): resolve(each, self.document) for status, each in self.content.get("responses", {}).items()}

    @property
    def security(self) -> set[Alternative]:
        """The ways to be admitted. The empty one means that a request needs no token."""
        required = self.content.get("security", self.document.get("security", [])) or [{}]
        return {
            frozenset((self._scheme(name), frozenset(scopes)) for name, scopes in each.items()) for each in required
        }

    @property
    def others(self) -> Document:
        """What is judged only by equality, such as callbacks or servers of its own."""
        item = {key: each for key, each in self.item.items() if key not in (*METHODS, "parameters")}
        own = {key: each for key, each in self.content.items() if key not in TEXTS | JUDGED}
        return {key: each for key, each in {**item, **own}.items() if key not in TEXTS and not is_ignored(key)}

    def _scheme(self, name: str) -> str:
        """Return the definition of a security scheme, without its name and texts."""
        scheme = self.document.get("components", {}).get("securitySchemes", {}).get(name)
        if scheme is None:
            raise ValueError(f"the security scheme {name} is not defined in this document")
        definition = resolve(scheme, self.document)
        return canonical_json({k: v for k, v in definition.items() if k != "bearerFormat" and not is_ignored(k)})


def operations_of(document: Document) -> dict[tuple[str, str], Operation]:
    """Return every operation of a document by its key."""
    return {each.key: each for each in _operations(document)}


def _operations(document: Document) -> Iterator[Operation]:
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            content: Any = item.get(method)
            if content is not None:
                yield Operation(method, path, item, content, document)
