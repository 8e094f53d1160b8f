"""Builds the gateway's listeners, for HTTP and for HTTPS."""

from pathlib import Path

from infra.stack.gateway.clusters import TELEMETRY
from infra.stack.gateway.exposure import Exposure
from infra.stack.gateway.filters import http_filters
from infra.stack.gateway.header_removal import remove_untrusted_headers
from infra.stack.gateway.local_replies import local_replies
from infra.stack.gateway.routes import ROUTES
from infra.stack.gateway.settings import MAX_HEADERS, MAX_HEADERS_KIB, GatewaySettings
from infra.stack.gateway.wire import Document, address, discovery_response, extension, watched_file

IDLE_TIMEOUT_S = 60
"""Time after which a connection without requests is closed."""
STALL_TIMEOUT_S = 30
"""Time after which a request is ended if neither side sends or reads anything."""
BUFFER_BYTES = 64 * 1024
MAX_STREAMS = 100
"""Maximum number of concurrent requests in one HTTP/2 connection."""

ACCESS_LOG = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "trace_id": "%TRACE_ID%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "service": "%UPSTREAM_CLUSTER%",
    "replica": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "user": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:token:sub)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
}
"""The fields of the access log, in Envoy's format. A request has one line, without its query: it may be secret."""


def listeners(
    settings: GatewaySettings,
    exposure: Exposure,
    *,
    issuer: str,
    http_port: int,
    tls_port: int,
    certificate: Path,
    routes: Path,
) -> Document:
    """Return the response of the listener discovery service."""
    manager = _connection_manager(settings, exposure, issuer, routes)
    return discovery_response(
        _listener("http", http_port, {"filters": [manager]}),
        _listener("https", tls_port, {"filters": [manager], "transport_socket": _tls(certificate)}),
    )


def _listener(name: str, port: int, chain: Document) -> Document:
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": address(port),
        "filter_chains": [chain],
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
    }


def _connection_manager(settings: GatewaySettings, exposure: Exposure, issuer: str, routes: Path) -> Document:
    return extension(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="gateway",
        server_name="gateway",
        rds={"route_config_name": ROUTES, "config_source": watched_file(routes)},
        http_filters=http_filters(settings, issuer=issuer, audience=exposure.audience),
        local_reply_config=local_replies(exposure.problem_type_prefix),
        access_log=[_access_log()],
        tracing=_tracing(),
        early_header_mutation_extensions=[remove_untrusted_headers()],
        use_remote_address=True,
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        max_request_headers_kb=MAX_HEADERS_KIB,
        request_headers_timeout=f"{settings.request_timeout_s}s",
        request_timeout=f"{settings.request_timeout_s}s",
        stream_idle_timeout=f"{STALL_TIMEOUT_S}s",
        common_http_protocol_options={
            "idle_timeout": f"{IDLE_TIMEOUT_S}s",
            "max_headers_count": MAX_HEADERS,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        http2_protocol_options={
            "max_concurrent_streams": MAX_STREAMS,
            "initial_stream_window_size": BUFFER_BYTES,
            "initial_connection_window_size": 16 * BUFFER_BYTES,
        },
    )


def _access_log() -> Document:
    return extension(
        "envoy.access_loggers.stdout",
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={"json_format": ACCESS_LOG},
    )


def _tracing() -> Document:
    """Return a tracer that continues the client's trace or begins one, and passes it on. It exports no spans."""
    exporter = {"http_uri": {"uri": "http://telemetry/v1/traces", "cluster": TELEMETRY, "timeout": "1s"}}
    tracer = extension(
        "envoy.tracers.opentelemetry",
        "envoy.config.trace.v3.OpenTelemetryConfig",
        service_name="gateway",
        http_service=exporter,
    )
    return {"provider": tracer, "random_sampling": {"value": 0}}


def _tls(certificate: Path) -> Document:
    files = {"certificate_chain": {"filename": str(certificate)}, "private_key": {"filename": str(certificate)}}
    return extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "tls_certificates": [files],
        },
    )
