"""Defines the gateway's own answers, as problem documents (RFC 9457) like those of the services."""

from dataclasses import dataclass

from infra.stack.gateway.wire import Document


@dataclass(frozen=True)
class GatewayProblem:
    """An answer that the gateway gives itself. Slug and title are those of the services where they have the same."""

    status: int
    slug: str
    title: str
    detail: str
    retry_after_s: int | None = None


PROBLEMS = (
    GatewayProblem(
        400, "bad-request", "The request cannot be understood", "Its path, headers or body break the rules of HTTP."
    ),
    GatewayProblem(
        401,
        "unauthorized",
        "A valid bearer token is needed",
        "Send `Authorization: Bearer <token>`, with a token that has not expired and was issued for this application.",
    ),
    GatewayProblem(403, "forbidden", "The token lacks a role", "Use a token with the role that this route needs."),
    GatewayProblem(404, "not-found", "There is no such thing here", "There is no such path."),
    GatewayProblem(
        405, "method-not-allowed", "This cannot be done here", "The header Allow lists the methods of this path."
    ),
    GatewayProblem(408, "slow-body", "The body did not arrive in time", "Send the whole request within 10 seconds."),
    GatewayProblem(413, "too-large", "The body is too large", "At most 65536 bytes are taken."),
    GatewayProblem(429, "rate-limited", "Too many requests", "Wait as long as Retry-After says, then retry.", 1),
    GatewayProblem(431, "headers-too-large", "The headers are too large", "At most 64 KiB and 100 headers are taken."),
    GatewayProblem(
        503,
        "unavailable",
        "Not available right now",
        "No replica of %UPSTREAM_CLUSTER% can take the request. Retry later.",
        1,
    ),
    GatewayProblem(
        504,
        "deadline-exceeded",
        "The answer was not ready in time",
        "The request may or may not have taken effect. Retry it with the same Idempotency-Key, and it takes effect"
        " once; without a key, read the current state first.",
    ),
)


def local_replies(type_prefix: str) -> Document:
    """Return the mapping of answers that the gateway gives itself to problem documents."""
    return {
        "mappers": [_mapper(each, type_prefix) for each in PROBLEMS],
        "body_format": _format(
            {"type": "about:blank", "title": "The gateway cannot serve the request", "status": "%RESPONSE_CODE%"}
        ),
    }


def _mapper(problem: GatewayProblem, type_prefix: str) -> Document:
    document = {
        "type": f"{type_prefix}{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    headers = [_header("Cache-Control", "no-store")]
    if problem.retry_after_s is not None:
        headers.append(_header("Retry-After", str(problem.retry_after_s)))
    return {
        "filter": {
            "status_code_filter": {
                "comparison": {"op": "EQ", "value": {"default_value": problem.status, "runtime_key": "unused"}}
            }
        },
        "body_format_override": _format(document),
        "headers_to_add": headers,
    }


def _format(document: Document) -> Document:
    return {"json_format": document, "content_type": "application/problem+json"}


def _header(name: str, value: str) -> Document:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
