"""Builds the gateway's routes from the routes that the services expose."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from infra.stack.gateway.clusters import TELEMETRY
from infra.stack.gateway.exposure import ExposedRoute, Exposure, path_pattern
from infra.stack.gateway.route_policies import (
    OPTIONAL,
    USER_HEADER,
    access,
    cors,
    cost_metadata,
    token_requirement,
    without_waiting_for_the_body,
)
from infra.stack.gateway.script import TIMEOUT_HEADER
from infra.stack.gateway.settings import GatewaySettings
from infra.stack.gateway.wire import Document, discovery_response, extension

ROUTES = "public"
MAX_REQUEST_S, MAX_ATTEMPT_S = 15, 11
"""Maximum times for the answer to a request with its retries, and for one attempt. The services' own limit is lower, so
an attempt that takes longer was sent to a replica that hangs."""
MAX_DURATION = f"{MAX_REQUEST_S}s"
REPEATABLE_METHODS = ("GET", "PUT", "DELETE")
ANYTHING_ONCE = "connect-failure,refused-stream,reset-before-request"
"""Failures after which the upstream cannot have received the request."""
ANYTHING_REPEATABLE = f"{ANYTHING_ONCE},reset"


def route_configuration(exposure: Exposure, settings: GatewaySettings) -> Document:
    """Return the response of the route discovery service."""
    virtual_host = {
        "name": ROUTES,
        "domains": ["*"],
        "routes": [
            *map(_preflight, settings.cors_origins),
            *_routes(exposure, max_cost=min(settings.user_burst, settings.address_burst)),
            _refusal({"connect_matcher": {}}, 404),
            _refusal({"prefix": "/"}, 404),
        ],
        "request_headers_to_remove": [USER_HEADER, TIMEOUT_HEADER],
        "typed_per_filter_config": {"envoy.filters.http.cors": cors(settings)},
    }
    return discovery_response(
        {
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            "name": ROUTES,
            "virtual_hosts": [virtual_host],
        }
    )


def _preflight(origin: str) -> Document:
    """Return a route on which the filter for CORS answers. It ignores routes that have a direct response."""
    headers = [
        {"name": ":method", "string_match": {"exact": "OPTIONS"}},
        {"name": "origin", "string_match": {"exact": origin}},
        {"name": "access-control-request-method", "present_match": True},
    ]
    never_reached = {"cluster": TELEMETRY}
    return {"match": {"prefix": "/", "headers": headers}, "route": never_reached}


def _routes(exposure: Exposure, max_cost: int) -> Iterable[Document]:
    """Yield all routes, literal paths first, and then the refusals of other methods.

    A route that costs more than the burst could never be used. So it costs `max_cost`.
    """
    by_path: dict[str, list[ExposedRoute]] = defaultdict(list)
    for route in sorted(exposure.routes, key=_literal_paths_first):
        by_path[path_pattern(route.path)].append(route)
        yield from _variants(replace(route, cost=min(route.cost, max_cost)))
    for routes in by_path.values():
        yield _method_not_allowed(routes)


def _literal_paths_first(route: ExposedRoute) -> tuple[bool, str]:
    return "{" in route.path, route.path


def _variants(route: ExposedRoute) -> Iterable[Document]:
    """Yield a route that is retried after any failure, if repeating it does no harm, and one that is not."""
    if route.method in REPEATABLE_METHODS:
        yield _route(route, ANYTHING_REPEATABLE)
        return
    yield _route(route, ANYTHING_REPEATABLE, {"name": "idempotency-key", "present_match": True})
    yield _route(route, ANYTHING_ONCE)


def _route(route: ExposedRoute, retry_on: str, *headers: Document) -> Document:
    method = {"name": ":method", "string_match": {"exact": route.method}}
    return {
        "match": _path_match(route.path) | {"headers": [method, *headers]},
        "route": {
            "cluster": route.service,
            "max_stream_duration": {"max_stream_duration": MAX_DURATION, "grpc_timeout_header_max": MAX_DURATION},
            "retry_policy": {
                "retry_on": retry_on,
                "per_try_timeout": f"{MAX_ATTEMPT_S}s",
                "num_retries": 3,
                "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
                "retry_host_predicate": [
                    extension(
                        "envoy.retry_host_predicates.previous_hosts",
                        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                    )
                ],
                "host_selection_retry_max_attempts": 10,
            },
        },
        "metadata": cost_metadata(route.cost),
        "typed_per_filter_config": access(route),
    }


def _path_match(path: str) -> Document:
    if "{" not in path:
        return {"path": path}
    return {"safe_regex": {"regex": path_pattern(path)}}


def _method_not_allowed(routes: Sequence[ExposedRoute]) -> Document:
    methods = ", ".join(sorted(route.method for route in routes))
    allow = {"header": {"key": "Allow", "value": methods}}
    return _refusal(_path_match(routes[0].path), 405) | {"response_headers_to_add": [allow]}


def _refusal(match: Document, status: int) -> Document:
    return {
        "match": match,
        "direct_response": {"status": status},
        "metadata": cost_metadata(1),
        "typed_per_filter_config": token_requirement(OPTIONAL) | without_waiting_for_the_body(),
    }
