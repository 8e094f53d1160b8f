"""Adds to FastAPI's OpenAPI document the runtime's headers and the problems that each route can answer with."""

from collections.abc import Callable, Mapping
from typing import Any

from marketplace_runtime.database import MIN_RETENTION_DAYS
from marketplace_runtime.http import idempotency, problems, timeouts
from marketplace_runtime.http.caching import cache_policy_of
from marketplace_runtime.http.deprecation import Deprecation, deprecation_of

_ALWAYS = (problems.BadRequest, problems.NotFound, problems.MethodNotAllowed, problems.Unprocessable)
_SECURED = (problems.Unauthorized, problems.Forbidden)
_UNSAFE = (problems.Conflict,)
_WITH_BODY = (problems.SlowBody, problems.TooLarge, problems.UnsupportedMediaType)

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}

_IDEMPOTENCY_KEY = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": False,
    "description": "A repeated request with the same key and body gets the same answer and takes effect once, for at"
    f" least {MIN_RETENTION_DAYS} days. Then the key is forgotten, and a request with it is a new one.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": idempotency.PATTERN},
}

_REQUEST_TIMEOUT = {
    "name": timeouts.HEADER,
    "in": "header",
    "required": False,
    "description": "Seconds that the client waits from now on. Work that is not done by then is rolled back.",
    "schema": {"type": "string", "pattern": timeouts.PATTERN},
}


_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "Entity tags of answers that the client has. If one of them is current, the answer is 304.",
    "schema": {"type": "string"},
}

_NOT_MODIFIED = "The client has the current answer already"


def complete_document(
    document: dict[str, Any], endpoints: Mapping[tuple[str, str], Callable[..., Any]]
) -> dict[str, Any]:
    """Add problems and the runtime's headers to every operation of `document`, in place, and return it.

    `endpoints` has the endpoint of each operation by its path and its method in lower case.
    """
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    responses = components.setdefault("responses", {})
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            endpoint = endpoints[path, method]
            parameters = operation.setdefault("parameters", [])
            parameters.append(_REQUEST_TIMEOUT)
            if method == "post":
                parameters.append(_IDEMPOTENCY_KEY)
            if cache_policy_of(endpoint) is not None:
                parameters.append(_IF_NONE_MATCH)
                operation["responses"]["200"]["headers"] = _headers("ETag", "Cache-Control")
                operation["responses"]["304"] = {
                    "description": _NOT_MODIFIED,
                    "headers": _headers("ETag", "Cache-Control"),
                }
            if deprecation := deprecation_of(endpoint):
                _deprecate(operation, deprecation)
            for problem in _problems_of(method, operation):
                name = f"{problem.__name__}Problem"
                responses[name] = _response(problem)
                operation["responses"][str(problem.status)] = {"$ref": f"#/components/responses/{name}"}
    return document


def _deprecate(operation: dict[str, Any], deprecation: Deprecation) -> None:
    """Mark the operation as deprecated, and describe until when it works, what replaces it, and its headers."""
    operation["deprecated"] = True
    operation["description"] = f"{operation.get('description', '')}\n\n{deprecation}".strip()
    for response in operation["responses"].values():
        response.setdefault("headers", {}).update(_headers("Deprecation", "Sunset", "Link"))


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"schema": {"type": "string"}} for name in names}


def _problems_of(method: str, operation: dict[str, Any]) -> list[type[problems.Problem]]:
    """Return the problems that an operation can answer with.

    They include those of `_SECURED` and `_UNSAFE` that it lists in `responses=`.
    """
    unsafe = method not in {"get", "head"}
    named = [problem for problem in (*_SECURED, *_UNSAFE) if str(problem.status) in operation["responses"]]
    return [
        *_ALWAYS,
        *(_SECURED if "security" in operation else ()),
        *((*_UNSAFE, *_WITH_BODY) if unsafe else ()),
        *named,
        problems.Unavailable,
        problems.TimedOut,
    ]


def _response(problem: type[problems.Problem]) -> dict[str, Any]:
    return {
        "description": problem.title,
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
