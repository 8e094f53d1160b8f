"""Defines the gateway's own answers, as problem documents (RFC 9457) like those of the services."""

from dataclasses import dataclass, replace

from infra.stack.gateway.settings import MAX_BODY_BYTES, MAX_HEADERS, MAX_HEADERS_KIB

SAFE_REPETITION = (
    "The request may or may not have taken effect. Retry it with the same Idempotency-Key, and it takes effect once;"
    " without a key, read the current state first."
)


@dataclass(frozen=True)
class GatewayProblem:
    """An answer that the gateway gives itself. Slug and title are those of the services where they have the same."""

    status: int
    slug: str
    title: str
    detail: str
    retry_after_s: int | None = None
    reason: str = ""
    """Pattern of Envoy's reasons (response code details) for it. Without one, the answer is for this status."""


NO_KEYS = GatewayProblem(
    503,
    "unavailable",
    "Not available right now",
    "The identity provider has not been reached yet. Retry later.",
    retry_after_s=2,
    reason=r"jwt_authn_access_denied\{Jwks_remote_fetch_is_failed\}",
)
UNAUTHORIZED = GatewayProblem(
    401,
    "unauthorized",
    "A valid bearer token is needed",
    "Send `Authorization: Bearer <token>`, with a token that has not expired and was issued for this application.",
    reason=r"jwt_authn_access_denied\{.*\}",
)
INTERRUPTED = GatewayProblem(
    503,
    "unavailable",
    "Not available right now",
    f"%UPSTREAM_CLUSTER% has ended before it answered. {SAFE_REPETITION}",
    retry_after_s=1,
    reason=r"upstream_reset_before_response_started\{(connection_termination|remote_reset).*",
)
NOT_SUPPORTED = GatewayProblem(
    501,
    "not-supported",
    "This part of HTTP is not supported here",
    "Send neither CONNECT nor Upgrade, and no transfer coding but chunked.",
)
PROBLEMS = (
    NO_KEYS,
    UNAUTHORIZED,
    INTERRUPTED,
    replace(NOT_SUPPORTED, reason="upgrade_failed"),
    GatewayProblem(
        400, "bad-request", "The request cannot be understood", "Its path, headers or body break the rules of HTTP."
    ),
    GatewayProblem(403, "forbidden", "The token lacks a role", "Use a token with the role that this route needs."),
    GatewayProblem(404, "not-found", "There is no such thing here", "There is no such path."),
    GatewayProblem(
        405, "method-not-allowed", "This cannot be done here", "The header Allow lists the methods of this path."
    ),
    GatewayProblem(
        408, "slow-body", "The body did not arrive in time", "Send the whole request at once, without long pauses."
    ),
    GatewayProblem(413, "too-large", "The body is too large", f"At most {MAX_BODY_BYTES} bytes are taken."),
    GatewayProblem(426, "http-version", "This version of HTTP is too old", "Use HTTP/1.1 or HTTP/2."),
    GatewayProblem(429, "rate-limited", "Too many requests", "Wait as long as Retry-After says, then retry.", 1),
    GatewayProblem(
        431,
        "headers-too-large",
        "The headers are too large",
        f"At most {MAX_HEADERS_KIB} KiB and {MAX_HEADERS} headers are taken.",
    ),
    NOT_SUPPORTED,
    GatewayProblem(
        502, "bad-gateway", "The answer cannot be understood", f"%UPSTREAM_CLUSTER% breaks HTTP. {SAFE_REPETITION}"
    ),
    GatewayProblem(
        503,
        "unavailable",
        "Not available right now",
        "No replica of %UPSTREAM_CLUSTER% can take the request. Retry later.",
        retry_after_s=1,
    ),
    GatewayProblem(504, "deadline-exceeded", "The answer was not ready in time", SAFE_REPETITION),
)
"""All that are expected, those with a reason first."""
