"""Creates the HTTP application of one service."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Route

from marketplace_runtime.database import Database
from marketplace_runtime.http import problems
from marketplace_runtime.http.authentication import Authenticator
from marketplace_runtime.http.health import Health
from marketplace_runtime.http.health import router as health_routes
from marketplace_runtime.http.observation import ObservationMiddleware
from marketplace_runtime.http.openapi import complete_document
from marketplace_runtime.http.response_headers import ResponseHeadersMiddleware
from marketplace_runtime.http.timeouts import REQUEST_TIMEOUT_S
from marketplace_runtime.http.unit_of_work import Router
from marketplace_runtime.resilience import MAX_CONCURRENT_REQUESTS, Admission


def create_app(
    *,
    service: str,
    version: str,
    problem_type_prefix: str,
    database: Database,
    authenticator: Authenticator,
    admission: Admission | None = None,
    timeout_s: float = REQUEST_TIMEOUT_S,
    health: Health | None = None,
    routes: Router | None = None,
    ops: Sequence[Router] = (),
) -> FastAPI:
    """Return an application with health, metrics and OpenAPI, the service's `routes` and the operator routes `ops`.

    Every error is answered with a problem document, whose type begins with `problem_type_prefix`.
    """
    app = _application(service, version, [*([routes] if routes else []), *ops])
    app.state.database = database
    app.state.problem_type_prefix = problem_type_prefix
    app.state.authenticator = authenticator
    app.state.admission = admission or Admission(service, MAX_CONCURRENT_REQUESTS)
    app.state.timeout_s = timeout_s
    app.state.health = health or Health(_no_components)

    async def answer_http_error(request: Request, error: Exception) -> Response:
        return await problems.answer_http_error(request, error, _methods(app, request.scope["path"]))

    app.add_exception_handler(problems.Problem, problems.answer_problem)
    app.add_exception_handler(RequestValidationError, problems.answer_invalid)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_middleware(ObservationMiddleware)
    app.add_middleware(ResponseHeadersMiddleware)  # the last one added is the outermost
    return app


def openapi(service: str, version: str, routers: Sequence[Router]) -> dict[str, Any]:
    """Return the OpenAPI document that an application with these routes serves at `/openapi.json`."""
    return _application(service, version, routers).openapi()


def _application(service: str, version: str, routers: Sequence[Router]) -> FastAPI:
    every_route = [
        route for router in (*routers, health_routes) for route in router.routes if isinstance(route, APIRoute)
    ]
    return _Application(
        title=service,
        version=version,
        routes=[*every_route],  # FastAPI would match included routers one by one, for every request
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )


def _methods(app: FastAPI, path: str) -> list[str]:
    """Return all methods of a path. The framework reports only those of the first route that matches."""
    routes = [route for route in app.routes if isinstance(route, Route) and route.path_regex.match(path)]
    return sorted({method for route in routes for method in route.methods or ()})


async def _no_components() -> dict[str, str]:
    return {}


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            endpoints = {
                (route.path_format, method.lower()): route.endpoint
                for route in self.routes
                if isinstance(route, APIRoute)
                for method in route.methods or ()
            }
            self.openapi_schema = complete_document(super().openapi(), endpoints)
        return self.openapi_schema
