"""Removes headers of requests by which a client could pretend to be the gateway, or another client."""

from infra.stack.gateway.wire import Document, extension

UNTRUSTED = "x-envoy-.*|x-forwarded-.*|x-jwt-.*|x-verified-.*|forwarded|x-real-ip|x-client-trace-id|grpc-timeout"
"""Pattern of their names. The gateway sets some of them itself, later."""


def remove_untrusted_headers() -> Document:
    """Return the extension that removes them before anything else reads the request."""
    removal = {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": UNTRUSTED}}}}
    return extension(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[removal],
    )
