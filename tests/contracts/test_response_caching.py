"""A CDN could be placed in front of every service: each route is public and cacheable, or is never stored."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi.routing import APIRoute

from contracts.naming import MARKETPLACE
from infra.stack import services_of
from infra.stack.layout import CHECKOUT
from marketplace_runtime.database import Database
from marketplace_runtime.http import (
    Authenticator,
    Caller,
    Router,
    cache_policy_of,
    create_app,
    deprecation_of,
    required_role,
)
from marketplace_runtime.service import load_services
from marketplace_runtime.service.http_api import routers_for_operators
from tests.unit.http.client import AUDIENCE, ISSUER, Answer, Client, FakeDatabase, FakeKeys, bearer

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
EVERYONE = bearer("ada", ("seller", "operator"))


def all_routes() -> Iterator[tuple[str, APIRoute]]:
    for service in load_services(services_of(CHECKOUT)):
        for router in [service.routes or Router(), *routers_for_operators(service)]:
            for route in router.routes:
                assert isinstance(route, APIRoute), f"{service.name}: {route} does not run in a transaction"
                yield service.name, route


ROUTES = list(all_routes())
each_route = pytest.mark.parametrize(
    "route",
    [route for _, route in ROUTES],
    ids=[f"{service} {'/'.join(route.methods or ())} {route.path}" for service, route in ROUTES],
)


def is_public_read(route: APIRoute) -> bool:
    needs_token, _ = required_role(route)
    return route.methods == {"GET"} and not needs_token


def stand_in(route: APIRoute) -> Router:
    """Return a route with the same path, methods, caller and declarations, whose endpoint always succeeds."""

    async def for_anyone() -> str:
        return "done"

    async def for_callers(_: Caller) -> str:
        return "done"

    endpoint: Any = for_callers if required_role(route)[0] else for_anyone
    endpoint.__dict__.update(route.endpoint.__dict__)
    router = Router()
    router.add_api_route(route.path, endpoint, methods=list(route.methods or ()))
    return router


async def request(router: Router, route: APIRoute, headers: dict[str, str]) -> Answer:
    database, keys = FakeDatabase(), FakeKeys()
    app = create_app(
        service="any",
        version="1",
        problem_type_prefix=MARKETPLACE.problem_type_prefix,
        database=cast("Database", database),
        authenticator=Authenticator(ISSUER, AUDIENCE, keys=keys),
        routes=router,
    )
    [method] = route.methods or ()
    path = route.path.format(**dict.fromkeys(route.param_convertors, ID))
    return await Client(app, database, keys).request(method, path, headers=headers)


def test_there_are_routes_of_both_kinds() -> None:
    public = [f"{service} {route.path}" for service, route in ROUTES if is_public_read(route)]
    assert {"catalog /products", "catalog /v2/products/{product_id}"} <= set(public)
    assert len(ROUTES) > len(public) + 100


@each_route
def test_a_route_is_cached_if_and_only_if_it_is_a_public_read(route: APIRoute) -> None:
    is_cached = cache_policy_of(route.endpoint) is not None
    assert is_cached == is_public_read(route), "put @cached(…) below the route of a public GET, or add a Caller to it"


@each_route
async def test_a_success_may_be_stored_only_if_the_route_is_a_public_read(route: APIRoute) -> None:
    answer = await request(stand_in(route), route, EVERYONE)
    assert answer.status == 200, answer
    if is_public_read(route):
        assert answer.headers["cache-control"].startswith("public, max-age=0, s-maxage=")
        again = await request(stand_in(route), route, {"If-None-Match": answer.headers["etag"]})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    else:
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers


@each_route
async def test_an_error_is_never_stored(route: APIRoute) -> None:
    routes = Router(routes=[route])
    for headers in ({}, {"Authorization": "Bearer forged"}, EVERYONE | {"Request-Timeout": "0"}):
        answer = await request(routes, route, {"If-None-Match": "*", **headers})
        assert answer.status >= 400
        assert answer.headers["cache-control"] == "no-store"


@each_route
async def test_a_deprecated_route_announces_a_successor_that_exists(route: APIRoute) -> None:
    deprecation = deprecation_of(route.endpoint)
    answer = await request(stand_in(route), route, EVERYONE)
    assert ("deprecation" in answer.headers) == (deprecation is not None)
    if deprecation is not None:
        assert deprecation.successor in {each.path for _, each in ROUTES if each.methods == route.methods}
