"""Builds what the filters need to know about a route: who may use it, what it costs, and which pages may call it."""

from infra.stack.gateway.exposure import ExposedRoute
from infra.stack.gateway.settings import GatewaySettings
from infra.stack.gateway.wire import Document

USER_HEADER = "x-verified-user"
"""Request header in which the verifier of tokens passes the user to the rate limits. Services do not receive it."""
TOKEN = "token"  # noqa: S105 - the name of a metadata key
"""Key of the metadata in which the verifier of tokens passes the token's claims to the check of roles."""
RATE_LIMITS, COST = "rate_limits", "cost"
"""Namespace and key of a route's cost in its metadata. The cost is the number of requests as which one counts."""
REQUIRED, OPTIONAL = "required", "optional"
"""Names of the requirements on a request's token. With an optional one, an invalid token is the same as none."""


def access(route: ExposedRoute) -> Document:
    """Return which token and role a route needs, and whether it has a rate limit."""
    checks = token_requirement(REQUIRED if route.needs_token else OPTIONAL)
    if not route.cost:
        checks["envoy.filters.http.local_ratelimit"] = {
            "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
            "disabled": True,
        }
    if route.role:
        checks["envoy.filters.http.rbac"] = {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
            "rbac": {"rules": _require_role(route.role)},
        }
    return checks


def token_requirement(name: str) -> Document:
    """Return which token is needed: `REQUIRED` or `OPTIONAL`."""
    return {
        "envoy.filters.http.jwt_authn": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
            "requirement_name": name,
        }
    }


def without_waiting_for_the_body() -> Document:
    """Return that the answer is given before the body has arrived."""
    return {
        "envoy.filters.http.buffer": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
            "disabled": True,
        }
    }


def _require_role(role: str) -> Document:
    has_role = {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": TOKEN}, {"key": "roles"}],
        "value": {"list_match": {"one_of": {"string_match": {"exact": role}}}},
    }
    return {
        "action": "ALLOW",
        "policies": {
            role: {"permissions": [{"any": True}], "principals": [{"sourced_metadata": {"metadata_matcher": has_role}}]}
        },
    }


def cost_metadata(cost: int) -> Document:
    """Return the metadata from which the rate limits read a route's cost."""
    return {"filter_metadata": {RATE_LIMITS: {COST: cost}}}


def cors(settings: GatewaySettings) -> Document:
    """Return which pages may call the APIs from a browser."""
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in settings.cors_origins],
        "allow_methods": "GET, POST, PUT, DELETE",
        "allow_headers": "authorization, content-type, idempotency-key, if-none-match, request-timeout, traceparent",
        "expose_headers": "deprecation, etag, link, location, ratelimit, ratelimit-policy, retry-after, sunset",
        "max_age": "600",
    }
