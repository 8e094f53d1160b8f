"""Builds the gateway's clusters: one for each service, whose replicas are listed in a file of its own."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from infra.stack.gateway.wire import Document, address, discovery_response, extension, watched_file

ISSUER, TELEMETRY = "issuer", "telemetry"
"""Clusters that are no services: the provider of signing keys, and the (absent) receiver of traces."""
HEALTH_PATH = "/readyz?components=no"
HEALTH_TIMEOUT_S, HEALTH_INTERVAL_S, UNHEALTHY_AFTER = 2, 1, 2
UPSTREAM_IDLE_S = 4
"""Time after which an idle connection to a replica is closed, before the replica itself closes it (after 5 s)."""
MAX_REQUESTS, MAX_PENDING = 1000, 500
"""The circuit breaker: further requests to a service are refused at once. There may be more connections than requests,
because a request that finds no connection would wait instead."""
RETRY_BUDGET_PERCENT, MIN_RETRIES = 60, 100
"""Retries may be up to so many percent of the requests under way, or `MIN_RETRIES`. If one of two replicas dies, half
of the requests are retried at the same moment."""


def clusters(services: Iterable[str], issuer: str, endpoints: Path) -> Document:
    """Return the response of the cluster discovery service. `endpoints` is the directory with a file per service."""
    parts = urlsplit(issuer)
    issuer_address = address(parts.port or 80, parts.hostname or "127.0.0.1")
    return discovery_response(
        _static(ISSUER, issuer_address),
        _static(TELEMETRY),
        *(_cluster(each, endpoints / f"{each}.json") for each in services),
    )


def replicas(service: str, ports: Iterable[int]) -> Document:
    """Return the response of the endpoint discovery service: the ports of the replicas that take requests."""
    endpoints = [{"endpoint": {"address": address(port)}} for port in ports]
    return discovery_response(
        {
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": service,
            "endpoints": [{"lb_endpoints": endpoints}],
        }
    )


def _cluster(service: str, endpoints: Path) -> Document:
    return _named(service) | {
        "type": "EDS",
        "eds_cluster_config": {"eds_config": watched_file(endpoints)},
        "lb_policy": "LEAST_REQUEST",
        # Changes of health take effect at once, instead of being collected for a second.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"},
        "ignore_health_on_host_removal": True,
        "close_connections_on_host_health_failure": True,
        "health_checks": [
            {
                "http_health_check": {"path": HEALTH_PATH},
                "timeout": f"{HEALTH_TIMEOUT_S}s",
                "interval": f"{HEALTH_INTERVAL_S}s",
                "no_traffic_interval": f"{HEALTH_INTERVAL_S}s",
                "unhealthy_threshold": UNHEALTHY_AFTER,
                "healthy_threshold": 1,
            }
        ],
        "outlier_detection": _outlier_detection(),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": MAX_REQUESTS + MAX_PENDING,
                    "max_requests": MAX_REQUESTS,
                    "max_pending_requests": MAX_PENDING,
                    "retry_budget": {
                        "budget_percent": {"value": RETRY_BUDGET_PERCENT},
                        "min_retry_concurrency": MIN_RETRIES,
                    },
                }
            ]
        },
    }


def _outlier_detection() -> Document:
    """Eject a replica that cannot be reached or does not answer in time, but never for answers of its own, as a 503."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "1s",
        "max_ejection_time": "10s",
        "max_ejection_percent": 100,
    }


def _static(name: str, *addresses: Document) -> Document:
    endpoints = [{"endpoint": {"address": each}} for each in addresses]
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}
    return _named(name) | {"type": "STATIC", "load_assignment": assignment}


def _named(name: str) -> Document:
    http = extension(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": f"{UPSTREAM_IDLE_S}s"},
        explicit_http_config={"http_protocol_options": {}},
    )
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "connect_timeout": "0.5s",
        "typed_extension_protocol_options": {http["name"]: http["typed_config"]},
    }
