"""Defines errors as clients receive them: problem details, RFC 9457 (https://www.rfc-editor.org/rfc/rfc9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
MAX_VALIDATION_ERRORS = 20
"""Maximum number of validation errors in one answer."""
MAX_POINTER_LENGTH = 200
"""Maximum length of a JSON pointer in characters."""

MESSAGES_BY_ERROR_TYPE = {
    "dict_type": "Write a JSON object.",
    "extra_forbidden": "There is no such field.",
    "missing": "This is needed.",
    "model_attributes_type": "Write a JSON object.",
    "model_type": "Write a JSON object.",
    "string_pattern_mismatch": "This does not match its pattern, which is in /openapi.json.",
    "uuid_parsing": "This is no UUID.",
    "uuid_type": "This is no UUID.",
}
"""Messages that replace pydantic's own, by pydantic's error type."""


class Problem(Exception):
    """An error answer. A subclass defines `status`, `slug` (for programs) and `title` (for people).

    `detail` states what is wrong this time and what to do; `members` are further JSON members.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"

    def __init__(self, detail: str = "", *, headers: Mapping[str, str] | None = None, **members: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


class BadRequest(Problem):
    status, slug, title = 400, "bad-request", "The request cannot be understood"


class Unauthorized(Problem):
    status, slug, title = 401, "unauthorized", "A valid bearer token is needed"

    def __init__(self, detail: str = "", **members: object) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"}, **members)


class Forbidden(Problem):
    status, slug, title = 403, "forbidden", "The token lacks a role"


class NotFound(Problem):
    status, slug, title = 404, "not-found", "There is no such thing here"


class MethodNotAllowed(Problem):
    status, slug, title = 405, "method-not-allowed", "This cannot be done here"


class SlowBody(Problem):
    status, slug, title = 408, "slow-body", "The body did not arrive in time"


class Conflict(Problem):
    status, slug, title = 409, "conflict", "The current state forbids this"


class TooLarge(Problem):
    status, slug, title = 413, "too-large", "The body is too large"


class UnsupportedMediaType(Problem):
    status, slug, title = 415, "unsupported-media-type", "The body must be application/json"


class Unprocessable(Problem):
    status, slug, title = 422, "unprocessable", "The request has invalid values"


class Unavailable(Problem):
    """The service cannot answer now, for a reason on its side.

    Retrying later is safe for reads and for POSTs with an Idempotency-Key.
    """

    status, slug, title = 503, "unavailable", "Not available right now"

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, **members: object) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)}, **members)


class TimedOut(Problem):
    status, slug, title = 504, "deadline-exceeded", "The answer was not ready in time"


def answer(problem: Problem, type_prefix: str) -> Response:
    """Return the problem as a response. `type_prefix` is the prefix of the URIs of problem types."""
    document: dict[str, object] = {
        "type": f"{type_prefix}{problem.slug}",
        "title": problem.title,
        "status": problem.status,
    }
    if problem.detail:
        document["detail"] = problem.detail
    body = to_json({**problem.members, **document}, fallback=str)
    return Response(body, problem.status, problem.headers, MEDIA_TYPE)


async def answer_problem(request: Request, error: Exception) -> Response:
    """Answer a `Problem` that was raised; raise any other error again."""
    if not isinstance(error, Problem):
        raise error
    return answer(error, _type_prefix(request))


async def answer_invalid(request: Request, error: Exception) -> Response:
    """Answer pydantic's validation errors, each with a JSON pointer into path, query, header or body."""
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        {"pointer": _pointer(found["loc"]), "detail": _sentence(found)}
        for found in error.errors()[:MAX_VALIDATION_ERRORS]
    ]
    return answer(Unprocessable("See `errors`.", errors=errors), _type_prefix(request))


async def answer_http_error(request: Request, error: Exception, allowed: Sequence[str] = ()) -> Response:
    """Answer errors of the framework, such as unknown paths and methods. `allowed` are the methods of the path."""
    if not isinstance(error, HTTPException):
        raise error
    match error.status_code:
        case BadRequest.status:
            return answer(BadRequest(headers=error.headers), _type_prefix(request))
        case NotFound.status:
            return answer(
                NotFound("There is no such path; see /openapi.json.", headers=error.headers), _type_prefix(request)
            )
        case MethodNotAllowed.status:
            methods = ", ".join(allowed)
            return answer(
                MethodNotAllowed(f"This path supports {methods}.", headers={"Allow": methods}), _type_prefix(request)
            )
    problem = Problem(headers=error.headers)
    title = HTTPStatus(error.status_code).phrase
    document = {"type": "about:blank", "title": title, "status": error.status_code}
    return Response(to_json(document), error.status_code, problem.headers, MEDIA_TYPE)


def _type_prefix(request: Request) -> str:
    prefix: str = request.app.state.problem_type_prefix
    return prefix


def _sentence(found: Mapping[str, Any]) -> str:
    """Return a sentence that states what is wrong or what to do."""
    limits = found.get("ctx", {})
    match found["type"]:
        case "missing" if found["loc"] == ("body",):
            return "A body is needed."
        case "too_short":
            return f"The list's length must be at least {limits['min_length']}."
        case "too_long":
            return f"The list's length must be at most {limits['max_length']}."
        case kind:
            return MESSAGES_BY_ERROR_TYPE.get(kind) or str(found["msg"]).removeprefix("Value error, ")


def _pointer(location: tuple[int | str, ...]) -> str:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return ("/" + "/".join(parts))[:MAX_POINTER_LENGTH]
