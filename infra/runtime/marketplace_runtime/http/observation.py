"""Traces, measures and answers every request, whatever fails inside the application."""

from asyncio import CancelledError
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marketplace_runtime.http import metrics
from marketplace_runtime.http.problems import Problem, Unavailable, Unprocessable, answer
from marketplace_runtime.telemetry import get_logger, trace

log = get_logger(__name__)

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}


class ObservationMiddleware:
    """Wraps the whole application, as the outermost middleware (pure ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = perf_counter(), 0
        type_prefix: str = scope["app"].state.problem_type_prefix

        async def recording_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with trace(_traceparent(scope)):
            try:
                if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                    await answer(Unprocessable("Text must not contain NUL."), type_prefix)(
                        scope, receive, recording_send
                    )
                else:
                    await self.app(scope, receive, recording_send)
            except CancelledError:  # at the end of a graceful shutdown
                if not status:
                    await answer(Unavailable("Shutting down."), type_prefix)(scope, receive, recording_send)
                raise
            except Exception:
                log.exception("unhandled exception", method=scope["method"], path=scope["path"])
                if status:
                    raise  # part of the answer was sent: the server must close the connection
                await answer(Problem(), type_prefix)(scope, receive, recording_send)
            finally:
                _measure(scope, status, perf_counter() - started)


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value, "latin-1")
    return None


def _measure(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
    route = getattr(scope.get("route"), "path", "")
    metrics.http_request_duration.labels(method, route, status).observe(seconds)
