"""Through the gateway, the exposed routes of every service are reachable with a valid token, and no others."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from infra.stack import services_of
from infra.stack.gateway import Exposure
from infra.stack.gateway.exposure import ExposedRoute
from tests.system.forged_tokens import Forger
from tests.system.http_requests import Answer, operations, request, token_for, well_formed_answer
from tests.system.marketplace import ROOT, Marketplace, Visit, until

COMMAND = [sys.executable, "-m", "marketplace_runtime", "exposed", *services_of(ROOT)]
ROUTES = Exposure.parse(subprocess.run(COMMAND, capture_output=True, text=True, check=True, cwd=ROOT).stdout).routes
PROTECTED = [each for each in ROUTES if each.needs_token]
PUBLIC = [each for each in ROUTES if not each.needs_token]
ANYTHING = str(uuid4())
OFTEN = [
    "expired",
    "another's key",
    "another issuer",
    "another audience",
    "no algorithm",
    "the public key as HMAC secret",
]
"""Forgeries that are always tried. The others take longer."""


def name(route: ExposedRoute) -> str:
    return f"{route.service} {route.method} {route.path}"


def a_subject() -> str:
    return f"person-{uuid4().hex}"


def path(template: str) -> str:
    """Return a path of the route, about nothing that exists."""
    for each in ("customer", "person", "carrier"):
        template = template.replace(f"{{{each}}}", "a")
    while "{" in template:
        before, _, rest = template.partition("{")
        template = before + ANYTHING + rest.partition("}")[2]
    return template


async def through_the_gateway(visit: Visit, route: ExposedRoute, token: str | None = None) -> Answer:
    return await well_formed_answer(visit, route.method, "gateway", path(route.path), token=token, json={})


@pytest.fixture(scope="module")
async def visit(marketplace: Marketplace) -> AsyncIterator[Visit]:
    async with Visit(marketplace) as visit:
        yield visit


@pytest.fixture(scope="module")
async def forger(visit: Visit) -> Forger:
    return await Forger.of(visit)


@pytest.fixture
async def forged(visit: Visit, forger: Forger) -> dict[str, str]:
    """Return tokens that must be refused, a seller's but for a fault. Their subject, whose rate is limited, is new."""
    subject = a_subject()
    expired = await token_for(visit, subject, "seller", ttl_s=-60)
    return forger.forged(subject, "seller") | {"expired": expired}


async def refusals(visit: Visit, route: ExposedRoute, tokens: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the tokens that were not refused as they should be."""
    answers = await asyncio.gather(*(through_the_gateway(visit, route, token) for token in tokens.values()))
    return {
        fault: answer
        for fault, answer in zip(tokens, answers, strict=True)
        if (answer.status, answer.slug, answer.headers["WWW-Authenticate"]) != (401, "unauthorized", "Bearer")
    }


@pytest.mark.parametrize("route", PROTECTED, ids=name)
async def test_a_protected_route_needs_a_valid_token(visit: Visit, forged: dict[str, str], route: ExposedRoute) -> None:
    tokens = {"none": None} | {fault: forged[fault] for fault in OFTEN}
    assert await refusals(visit, route, tokens) == {}
    roles = [route.role] if route.role else []
    answer = await through_the_gateway(visit, route, await token_for(visit, a_subject(), *roles))
    assert answer.status not in (401, 403, 405), answer


@pytest.mark.slow
@pytest.mark.parametrize("route", PROTECTED, ids=name)
async def test_a_protected_route_is_refused_with_every_forgery(
    visit: Visit, forged: dict[str, str], route: ExposedRoute
) -> None:
    without_role = forged.pop("roles that are no list")
    assert await refusals(visit, route, forged) == {}
    answer = await through_the_gateway(visit, route, without_role)
    assert answer.status == (403 if route.role else 401)


@pytest.mark.parametrize("route", [each for each in PROTECTED if each.role], ids=name)
async def test_a_route_with_a_role_needs_that_role(visit: Visit, route: ExposedRoute) -> None:
    for roles in ((), tuple({"seller", "operator"} - {route.role})):
        answer = await through_the_gateway(visit, route, await token_for(visit, a_subject(), *roles))
        assert (answer.status, answer.slug) == (403, "forbidden")


@pytest.mark.parametrize("route", PUBLIC, ids=name)
async def test_on_a_public_route_an_invalid_token_is_the_same_as_none(
    visit: Visit, forged: dict[str, str], route: ExposedRoute
) -> None:
    without = await through_the_gateway(visit, route)
    for fault in OFTEN:
        answer = await through_the_gateway(visit, route, forged[fault])
        assert (answer.status, answer.raw) == (without.status, without.raw), fault


async def test_all_routes_are_exposed_but_those_of_operators(visit: Visit) -> None:
    live = {str(each) for each in await operations(visit) if not each.path.startswith("/ops/")}
    assert {name(each) for each in ROUTES} == live


async def test_what_is_not_exposed_is_not_found_even_by_an_operator(visit: Visit) -> None:
    token = await token_for(visit, f"olga-{uuid4().hex}", "operator", "seller")
    hidden = {(each.method, path(each.path)) for each in await operations(visit) if each.path.startswith("/ops/")}
    others = {("GET", each) for each in ("/", "/ops", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs")}
    for method, where in sorted(hidden | others):
        answer = await request(visit, method, "gateway", where, token=token)
        assert (answer.status, answer.slug, answer.json["detail"]) == (404, "not-found", "There is no such path."), (
            where
        )


async def test_the_location_of_a_checkout_leads_through_the_gateway(visit: Visit) -> None:
    _, product_id = await visit.product()
    customer = await visit.customer()
    await customer.request("PUT", "cart", f"/carts/{customer.subject}/items/{product_id}", {"quantity": 1})
    headers = customer.headers | {"Idempotency-Key": str(uuid4()), "Host": "evil.example"}
    headers |= {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answer = await request(visit, "POST", "gateway", f"/carts/{customer.subject}/checkout", headers=headers, json={})
    assert answer.status == 202
    location = answer.headers["Location"]
    assert location == f"{visit.base('gateway')}/orders/{answer.json['order_id']}"

    async def readable() -> bool:
        async with visit.http.get(location, headers=customer.headers) as order:
            return order.status == 200

    await until(readable, 10)
