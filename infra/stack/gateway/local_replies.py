"""Builds the mapping of the answers that Envoy gives itself to problem documents."""

from typing import Any

from infra.stack.gateway.problems import PROBLEMS, GatewayProblem
from infra.stack.gateway.wire import Document, extension


def local_replies(type_prefix: str) -> Document:
    """Return the mapping. The first problem that fits the answer is used."""
    unexpected = _problem(f"{type_prefix}internal", "Something went wrong here", "%RESPONSE_CODE%", "Retry later.")
    return {
        "mappers": [
            *(_mapper(each, type_prefix) for each in PROBLEMS),
            {"filter": _status("GE", 400), **unexpected, "headers_to_add": _headers(retry_after_s=None)},
        ]
    }


def _mapper(problem: GatewayProblem, type_prefix: str) -> Document:
    headers = _headers(problem.retry_after_s)
    if problem.status == 401:
        headers.append(_header("WWW-Authenticate", "Bearer"))
    return {
        "filter": _reason(problem.reason) if problem.reason else _status("EQ", problem.status),
        "status_code": problem.status,
        **_problem(f"{type_prefix}{problem.slug}", problem.title, problem.status, problem.detail),
        "headers_to_add": headers,
    }


def _problem(type_: str, title: str, status: int | str, detail: str) -> Document:
    document: dict[str, Any] = {"type": type_, "title": title, "status": status, "detail": detail}
    return {"body_format_override": {"json_format": document, "content_type": "application/problem+json"}}


def _status(operator: str, status: int) -> Document:
    value = {"default_value": status, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}


def _reason(pattern: str) -> Document:
    cel = extension(
        "envoy.access_loggers.extension_filters.cel",
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        expression=f"response.code_details.matches({pattern!r})",
    )
    return {"extension_filter": cel}


def _headers(retry_after_s: int | None) -> list[Document]:
    headers = [_header("Cache-Control", "no-store")]
    if retry_after_s is not None:
        headers.append(_header("Retry-After", str(retry_after_s)))
    return headers


def _header(name: str, value: str) -> Document:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
