"""Adds the headers that every answer needs, errors included."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marketplace_runtime.http.deprecation import deprecation_of

NO_STORE = (b"cache-control", b"no-store")


class ResponseHeadersMiddleware:
    """Forbids caches to store answers, except those with a Cache-Control of their own, and announces deprecations.

    It wraps the application from outside (pure ASGI), so that a forgotten route or an error is not stored either.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers = [*headers, NO_STORE]
                deprecation = deprecation_of(scope.get("endpoint"))
                if deprecation is not None and _is_for_method(scope):
                    announced = deprecation.headers(scope["path_params"])
                    headers = [*headers, *((name.encode(), value.encode()) for name, value in announced)]
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _is_for_method(scope: Scope) -> bool:
    """Return whether the route is the request's. A path may have another method, which is not deprecated."""
    route: Any = scope["route"]
    return scope["method"] in route.methods
