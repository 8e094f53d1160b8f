"""Builds the chain of filters that every request passes: tokens, roles, rate limits, size of the body."""

from infra.stack.gateway.clusters import ISSUER
from infra.stack.gateway.route_policies import COST, OPTIONAL, RATE_LIMITS, REQUIRED, TOKEN, USER_HEADER
from infra.stack.gateway.script import BEARER, headers_script
from infra.stack.gateway.settings import MAX_BODY_BYTES, GatewaySettings
from infra.stack.gateway.wire import Document, extension

FILTERS = "envoy.extensions.filters.http"
CLOCK_SKEW_S = 5
"""Difference of clocks that is tolerated when a token's times are checked, as in the services."""
MAX_CACHED_TOKENS = 4096
"""Number of verified tokens that are remembered until they expire. If their key is withdrawn before that, only the
services refuse them."""
MAX_BUCKETS = 10_000
"""Maximum number of users, and of addresses, whose rates are limited at the same time. The one that was silent for
longest is forgotten first."""
FILL_INTERVAL_MS = 200


def http_filters(settings: GatewaySettings, *, issuer: str, audience: str) -> list[Document]:
    """Return the filters in the order in which a request passes them."""
    return [
        extension("envoy.filters.http.cors", f"{FILTERS}.cors.v3.Cors"),
        extension(
            "envoy.filters.http.lua",
            f"{FILTERS}.lua.v3.Lua",
            default_source_code={"inline_string": headers_script(settings)},
        ),
        extension(
            "envoy.filters.http.jwt_authn",
            f"{FILTERS}.jwt_authn.v3.JwtAuthentication",
            **_tokens(settings, issuer, audience),
        ),
        extension(
            "envoy.filters.http.local_ratelimit", f"{FILTERS}.local_ratelimit.v3.LocalRateLimit", **_limits(settings)
        ),
        extension("envoy.filters.http.rbac", f"{FILTERS}.rbac.v3.RBAC"),
        extension("envoy.filters.http.buffer", f"{FILTERS}.buffer.v3.Buffer", max_request_bytes=MAX_BODY_BYTES),
        extension("envoy.filters.http.router", f"{FILTERS}.router.v3.Router", suppress_envoy_headers=True),
    ]


def _tokens(settings: GatewaySettings, issuer: str, audience: str) -> Document:
    keys = {
        "http_uri": {"uri": f"{issuer}/jwks.json", "cluster": ISSUER, "timeout": "2s"},
        "cache_duration": f"{settings.key_refresh_s}s",
        "async_fetch": {"fast_listener": True, "failed_refetch_duration": "1s"},
    }
    provider = {
        "issuer": issuer,
        "audiences": [audience],
        "remote_jwks": keys,
        "require_expiration": True,
        "clock_skew_seconds": CLOCK_SKEW_S,
        "forward": True,
        "from_headers": [{"name": "Authorization", "value_prefix": BEARER}],
        "payload_in_metadata": TOKEN,
        "claim_to_headers": [{"header_name": USER_HEADER, "claim_name": "sub"}],
        "jwt_cache_config": {"jwt_cache_size": MAX_CACHED_TOKENS},
    }
    token = {"provider_name": ISSUER}
    optional = {"requires_any": {"requirements": [token, {"allow_missing_or_failed": {}}]}}
    return {
        "providers": {ISSUER: provider},
        "requirement_map": {REQUIRED: token, OPTIONAL: optional},
        "rules": [{"match": {"prefix": "/"}, "requirement_name": REQUIRED}],
        "bypass_cors_preflight": True,
    }


def _limits(settings: GatewaySettings) -> Document:
    return {
        "stat_prefix": "rate_limit",
        "filter_enabled": _always(),
        "filter_enforced": _always(),
        "token_bucket": _bucket(1_000_000, 1_000_000),
        "always_consume_default_token_bucket": False,
        "max_dynamic_descriptors": MAX_BUCKETS,
        "rate_limits": _descriptors(),
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "descriptors": [
            {"entries": [{"key": "user"}], "token_bucket": _bucket(settings.user_rate, settings.user_burst)},
            {
                "entries": [{"key": "anonymous", "value": "yes"}, {"key": "remote_address"}],
                "token_bucket": _bucket(settings.address_rate, settings.address_burst),
            },
        ],
    }


def _descriptors() -> list[Document]:
    """Return what identifies the bucket of a request: the user, or else the address."""
    user = {"request_headers": {"header_name": USER_HEADER, "descriptor_key": "user"}}
    is_anonymous = {
        "header_value_match": {
            "descriptor_key": "anonymous",
            "descriptor_value": "yes",
            "expect_match": False,
            "headers": [{"name": USER_HEADER, "present_match": True}],
        }
    }
    cost = {"format": f"%METADATA(ROUTE:{RATE_LIMITS}:{COST})%"}
    return [{"actions": actions, "hits_addend": cost} for actions in ([user], [is_anonymous, {"remote_address": {}}])]


def _bucket(rate: int, burst: int) -> Document:
    """Return a bucket that is filled evenly: `FILL_INTERVAL_MS` is short, unless the rate is very low."""
    interval_ms = max(FILL_INTERVAL_MS, -(-1000 // rate))
    return {
        "max_tokens": max(burst, 1),
        "tokens_per_fill": max(1, rate * interval_ms // 1000),
        "fill_interval": f"{interval_ms / 1000:g}s",
    }


def _always() -> Document:
    return {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
