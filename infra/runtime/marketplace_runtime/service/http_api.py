"""Lists the operator routes of a service, and describes its whole HTTP API without starting it."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from marketplace_runtime.dead_letters import dead_letter_routes
from marketplace_runtime.http import Router, openapi
from marketplace_runtime.outbox import routes as republish_routes
from marketplace_runtime.replay import replay_routes
from marketplace_runtime.service import operator_routes, story
from marketplace_runtime.service.service import Service


def openapi_of(service: Service) -> dict[str, Any]:
    """Return the OpenAPI document that the service serves at `/openapi.json`."""
    own_routes = [service.routes] if service.routes else []
    return openapi(service.name, version_of(service), [*own_routes, *routers_for_operators(service)])


def routers_for_operators(service: Service) -> list[Router]:
    """Return the routes that every service has for operators, under `/ops`."""
    rebuild_routers = [operator_routes.rebuild_routes(service.rebuild)] if service.rebuild else []
    return [
        operator_routes.router,
        republish_routes.router,
        story.router,
        dead_letter_routes(service.subscriptions),
        replay_routes(service.subscriptions),
        *rebuild_routers,
    ]


def version_of(service: Service) -> str:
    """Return the version of the installed application, or `0.1.0` if it runs from a checkout."""
    try:
        return version(service.naming.application)
    except PackageNotFoundError:
        return "0.1.0"
