"""Tests authorization: every route of every service with every kind of person and token."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from uuid import uuid4

import pytest

from tests.system.forged_tokens import Forger
from tests.system.http_requests import Answer, operations, token_for, well_formed_answer
from tests.system.marketplace import Marketplace, Person, Visit, until


class Who(Enum):
    """The people whom a route serves."""

    ANYONE = auto()
    """Public on purpose."""
    CARRIER = auto()
    """No token: the body is signed; see test_hostile_webhooks.py."""
    OWNER = auto()
    """The owner; all others get 404."""
    SELF = auto()
    """Anyone with a token; the answer lists the caller's own things."""
    MAKER = auto()
    """Anyone with a token, who creates something."""
    SELLER = auto()
    """A seller; for a product, only its seller."""
    OPERATOR = auto()


ROUTES = {
    "catalog GET /products": Who.ANYONE,
    "catalog GET /products/{product_id}": Who.ANYONE,
    "catalog GET /v2/products": Who.ANYONE,
    "catalog GET /v2/products/{product_id}": Who.ANYONE,
    "catalog POST /products": Who.SELLER,
    "catalog POST /products/{product_id}/price": Who.SELLER,
    "catalog POST /products/{product_id}/restock": Who.SELLER,
    "catalog POST /products/{product_id}/discontinue": Who.SELLER,
    "cart GET /carts/{customer}": Who.OWNER,
    "cart PUT /carts/{customer}/items/{product_id}": Who.OWNER,
    "cart DELETE /carts/{customer}/items": Who.OWNER,
    "cart DELETE /carts/{customer}/items/{product_id}": Who.OWNER,
    "cart POST /carts/{customer}/checkout": Who.OWNER,
    "checkout GET /orders": Who.SELF,
    "checkout GET /orders/{order_id}": Who.OWNER,
    "checkout GET /orders/{order_id}/journal": Who.OWNER,
    "checkout POST /orders/{order_id}/cancel": Who.OWNER,
    "checkout POST /ops/rebuild": Who.OPERATOR,
    "delivery GET /addresses/{customer}": Who.OWNER,
    "delivery PUT /addresses/{customer}": Who.OWNER,
    "delivery DELETE /addresses/{customer}": Who.OWNER,
    "delivery GET /shipments/{order_id}": Who.OWNER,
    "delivery POST /carriers/{carrier}/tracking": Who.CARRIER,
    "notifications GET /contacts/{person}": Who.OWNER,
    "notifications PUT /contacts/{person}": Who.OWNER,
    "notifications DELETE /contacts/{person}": Who.OWNER,
    "notifications GET /notifications": Who.SELF,
    "notifications GET /webhooks": Who.SELF,
    "notifications POST /webhooks": Who.MAKER,
    "notifications GET /webhooks/{endpoint_id}": Who.OWNER,
    "notifications DELETE /webhooks/{endpoint_id}": Who.OWNER,
    "notifications POST /webhooks/{endpoint_id}/enable": Who.OWNER,
    "notifications POST /webhooks/{endpoint_id}/rotate": Who.OWNER,
    "notifications GET /webhooks/{endpoint_id}/deliveries": Who.OWNER,
    "notifications POST /webhooks/{endpoint_id}/deliveries/{event_id}/redeliver": Who.OWNER,
    "notifications POST /webhooks/{endpoint_id}/redeliver-missed": Who.OWNER,
} | {
    f"{service} {what}": Who.OPERATOR
    for service in ("catalog", "cart", "checkout", "notifications", "delivery")
    for what in (
        "GET /ops/counts",
        "GET /ops/backlog",
        "GET /ops/set-aside",
        "POST /ops/set-aside/retry",
        "GET /ops/dead-letter-groups",
        "GET /ops/dead-letters",
        "GET /ops/dead-letters/{id}",
        "GET /ops/settled-letters",
        "POST /ops/dead-letters/{id}/edit",
        "POST /ops/replays",
        "POST /ops/discards",
        "GET /ops/republish",
        "POST /ops/republish",
        "GET /ops/story",
        "GET /ops/history",
        "POST /ops/history",
        "DELETE /ops/history/{subscription}",
    )
}
"""Every route; the first test below fails if one is missing here."""

PRICE = {"amount": 1, "currency": "EUR"}
ADDRESS = {"name": "Mallory", "street": "Elsewhere 1", "city": "Paris", "postal_code": "75001", "country": "FR"}
OPS_BODIES = {
    "POST /ops/dead-letters/{id}/edit": {"body": {}},
    "POST /ops/replays": {"all": True, "dry_run": True},
    "POST /ops/discards": {"all": True, "dry_run": True, "note": "none"},
    "POST /ops/set-aside/retry": {"seqs": []},
    "POST /ops/republish": {"until": "2000-01-01T00:00:00Z"},
}
SUBSCRIPTIONS = {
    "catalog": "orders",
    "cart": "products",
    "checkout": "carts",
    "notifications": "mail",
    "delivery": "orders",
}
"""A subscription of each service."""
REPLAY_BEYOND_END = {"id": "0193a8a7-0000-7000-8000-000000000000", "offset": 2**40}
"""A replay that begins beyond the log's end."""
OPS_QUERIES = {"GET /ops/republish": {"last": "0"}, "GET /ops/story": {"subject": "nobody"}}
BODIES: dict[str, Any] = {
    "catalog POST /products": {"name": "Lamp", "category": "home", "price": PRICE, "on_hand": 1},
    "catalog POST /products/{product_id}/price": {"price": PRICE},
    "catalog POST /products/{product_id}/restock": {"quantity": 1},
    "cart PUT /carts/{customer}/items/{product_id}": {"quantity": 7},
    "delivery PUT /addresses/{customer}": ADDRESS,
    "notifications PUT /contacts/{person}": {"email": "mallory@example.org"},
    "notifications POST /webhooks": {"url": "http://127.0.0.1:9/", "events": ["delivery.shipment-failed.v1"]},
} | {f"{service} POST /ops/history": REPLAY_BEYOND_END | {"to": name} for service, name in SUBSCRIPTIONS.items()}

PROTECTED = [route for route, who in ROUTES.items() if who not in (Who.ANYONE, Who.CARRIER)]
OPERATORS_ROUTES_ELSEWHERE = [
    route for route in ROUTES if " /ops/" in route and "/ops/rebuild" not in route and not route.startswith("cart ")
]
"""The same code as in the cart, so other services are tested only with `--all`."""
ROLES = {Who.SELLER: ("seller",), Who.OPERATOR: ("operator",)}
TOO_LATE = ["checkout POST /orders/{order_id}/cancel"]
"""Routes that refuse a delivered order."""
METHODS = ["GET", "PUT", "POST", "DELETE"]


def destructive_last(route: str) -> tuple[int, bool, bool]:
    """Sort destructive routes last; a cart is checked out before its products are repriced or discontinued."""
    service, method, path = route.split()
    return METHODS.index(method), service == "catalog", path.endswith("/discontinue")


def of(who: Who) -> list[str]:
    return [route for route, whom in ROUTES.items() if whom is who]


def each(routes: list[str]) -> list[Any]:
    """Mark routes as slow whose code is tested with another service."""
    return [
        pytest.param(route, marks=[pytest.mark.slow] if route in OPERATORS_ROUTES_ELSEWHERE else []) for route in routes
    ]


@dataclass(frozen=True)
class World:
    """A person's things, and requests about them."""

    visit: Visit
    owner: Person
    owner_token: str
    seller: Person
    seller_token: str
    product_id: str
    order_id: str
    endpoint_id: str
    event_id: str
    """The event of the only delivery to the endpoint."""

    async def request(self, route: str, token: str | None = None, **options: Any) -> Answer:
        """Send a request to `route` about these things, and assert that the answer is well-formed."""
        service, method, template = route.split()
        path = template.format(
            product_id=self.product_id,
            order_id=self.order_id,
            customer=self.owner.subject,
            person=self.owner.subject,
            carrier="a",
            subscription=SUBSCRIPTIONS[service],
            id=1,
            endpoint_id=self.endpoint_id,
            event_id=self.event_id,
        )
        return await well_formed_answer(
            self.visit,
            method,
            service,
            path,
            token=token,
            params=options.pop("params", OPS_QUERIES.get(f"{method} {template}")),
            json=BODIES.get(route, OPS_BODIES.get(f"{method} {template}")),
            **options,
        )

    async def everything(self) -> dict[str, Any]:
        """Read everything with the owner's token; assert that every answer is 200."""
        readable = [*of(Who.OWNER), "checkout GET /orders", "catalog GET /products/{product_id}"]
        found = {route: await self.request(route, self.owner_token) for route in readable if " GET " in route}
        assert {answer.status for answer in found.values()} == {200}, found
        return {route: answer.json for route, answer in found.items()}


async def a_world(visit: Visit) -> World:
    """Create a customer with a delivered parcel, a webhook and a filled cart, and the products' seller."""
    seller, product_id = await visit.product(on_hand=10)
    owner = await visit.customer()
    async with await asyncio.start_server(_answer_gone, "127.0.0.1", 0) as receiver:
        port = receiver.sockets[0].getsockname()[1]
        endpoint = {"url": f"http://127.0.0.1:{port}/", "events": ["checkout.order-delivered.v1"]}
        status, made = await owner.request("POST", "notifications", "/webhooks", endpoint)
        assert status == 201
        return await _bought(visit, seller, product_id, owner, made["endpoint_id"])


async def _answer_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 410 Gone, so that the endpoint is disabled, its only delivery ends and its state no longer changes."""
    writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
    await reader.read()
    writer.close()


async def _bought(visit: Visit, seller: Person, product_id: str, owner: Person, endpoint_id: str) -> World:
    order_id = await owner.check_out(product_id)
    await owner.order(order_id, "delivered")

    async def settled() -> bool:
        cart = await owner.get("cart", f"/carts/{owner.subject}")
        stock = await owner.get("catalog", f"/products/{product_id}")
        return cart["lines"] == [] and stock["available"] == 9

    await until(settled, 20)
    deliveries: list[dict[str, Any]] = []

    async def refused() -> bool:
        deliveries[:] = (await owner.get("notifications", f"/webhooks/{endpoint_id}/deliveries"))["items"]
        return [each["state"] for each in deliveries] == ["failed"]

    await until(refused, 20)
    assert (await owner.request("PUT", "cart", f"/carts/{owner.subject}/items/{product_id}", {"quantity": 2}))[0] == 200
    return World(
        visit,
        owner,
        await token_for(visit, owner.subject),
        seller,
        await token_for(visit, seller.subject, "seller"),
        product_id,
        order_id,
        endpoint_id,
        deliveries[0]["event_id"],
    )


@pytest.fixture(scope="module")
async def world(marketplace: Marketplace) -> AsyncIterator[World]:
    async with Visit(marketplace) as visit:
        yield await a_world(visit)


@pytest.fixture(scope="module")
async def forger(world: World) -> Forger:
    return await Forger.of(world.visit)


async def test_the_table_lists_every_route(world: World) -> None:
    live = {str(operation): "security" in operation.document for operation in await operations(world.visit)}
    assert live.keys() == ROUTES.keys()
    assert {route for route, secured in live.items() if secured} == set(PROTECTED)


async def test_health_needs_no_token_and_the_framework_adds_no_pages(world: World) -> None:
    for service in world.visit.marketplace.state["services"]:
        for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
            assert (await well_formed_answer(world.visit, "GET", service, path)).status == 200, (service, path)
        for path in ("/docs", "/redoc", "/docs/oauth2-redirect", "/", "/ops", "/ops/", "/admin"):
            assert (await well_formed_answer(world.visit, "GET", service, path)).status == 404, (service, path)


@pytest.mark.parametrize("route", of(Who.ANYONE))
async def test_a_public_route_needs_no_token(world: World, route: str) -> None:
    for token in (None, "rubbish"):
        assert (await world.request(route, token)).status == 200


@pytest.mark.parametrize("route", each(PROTECTED))
async def test_only_a_valid_token_is_accepted_and_forgeries_change_nothing(
    world: World, forger: Forger, route: str
) -> None:
    roles = ROLES.get(ROUTES[route], ())
    subject = world.seller.subject if roles == ("seller",) else world.owner.subject
    good = forger.good(subject, *roles)
    headers = {name: f"Bearer {token}" for name, token in forger.forged(subject, *roles).items()} | {
        "expired": f"Bearer {await token_for(world.visit, subject, *roles, ttl_s=-60)}",
        "no token": "Bearer ",
        "two tokens": f"Bearer {good}, Bearer {good}",
        "another scheme": f"Basic {good}",
        "the token alone": good,
        "rubbish": "Bearer rubbish",
        "more than a header holds": f"Bearer {good}{'a' * 9000}",
    }
    before = await world.everything()
    answers = {name: await world.request(route, headers={"Authorization": each}) for name, each in headers.items()}
    answers["nothing"] = await world.request(route)
    answers["in the query"] = await world.request(route, params={"access_token": good, "token": good})
    answers["in a cookie"] = await world.request(route, headers={"Cookie": f"access_token={good}; token={good}"})
    assert {name: answer.status for name, answer in answers.items() if answer.status != 401} == {}
    assert {answer.headers["WWW-Authenticate"] for answer in answers.values()} == {"Bearer"}
    assert {answer.slug for answer in answers.values()} == {"unauthorized"}
    assert await world.everything() == before


@pytest.mark.parametrize("route", of(Who.OWNER))
async def test_other_people_get_404_and_change_nothing(world: World, route: str) -> None:
    before = await world.everything()
    for roles in ((), ("seller",), ("operator",), ("seller", "operator")):
        stranger = await token_for(world.visit, f"mallory-{uuid4().hex}", *roles)
        theirs = await world.request(route, stranger)
        assert (theirs.status, theirs.slug) == (404, "not-found")
        assert world.owner.subject.encode() not in theirs.raw
    for subject in (world.owner.subject.upper(), world.owner.subject + ".", world.owner.subject[:-1]):
        assert (await world.request(route, await token_for(world.visit, subject))).status == 404
    assert await world.everything() == before


@pytest.mark.parametrize("route", of(Who.SELF))
async def test_a_list_contains_only_the_callers_own_things(world: World, route: str) -> None:
    stranger = await token_for(world.visit, f"mallory-{uuid4().hex}", "seller", "operator")
    for query in ({}, {"customer_id": world.owner.subject, "customer": world.owner.subject}):
        theirs = await world.request(route, stranger, params=query)
        assert (theirs.status, theirs.json) == (200, {"items": [], "next_cursor": None})


@pytest.mark.parametrize("route", each([*of(Who.SELLER), *of(Who.OPERATOR)]))
async def test_without_the_role_it_is_forbidden(world: World, route: str) -> None:
    [role] = ROLES[ROUTES[route]]
    before = await world.everything()
    for roles in ((), tuple({"seller", "operator"} - {role})):
        for subject in (world.owner.subject, world.seller.subject):
            answer = await world.request(route, await token_for(world.visit, subject, *roles))
            assert (answer.status, answer.slug) == (403, "forbidden")
    assert await world.everything() == before


@pytest.mark.parametrize("route", [route for route in of(Who.SELLER) if "{product_id}" in route])
async def test_only_its_seller_can_use_the_routes_of_a_product(world: World, route: str) -> None:
    before = await world.everything()
    rival = await token_for(world.visit, f"rival-{uuid4().hex}", "seller", "operator")
    answer = await world.request(route, rival)
    assert (answer.status, answer.slug) == (404, "not-found")
    assert await world.everything() == before


async def test_permitted_people_are_served(visit: Visit) -> None:
    """This shows that the tests above were refused only because of the caller."""
    world = await a_world(visit)
    tokens = {
        Who.OWNER: world.owner_token,
        Who.SELF: world.owner_token,
        Who.MAKER: world.owner_token,
        Who.SELLER: world.seller_token,
        Who.OPERATOR: await token_for(visit, "olga", "operator"),
    }
    for route in sorted(PROTECTED, key=destructive_last):
        answer = await world.request(route, tokens[ROUTES[route]])
        too_late = route in TOO_LATE and answer.status == 409
        none_dead = "{id}" in route and answer.status in (
            404,
            409,
        )  # or it is another test's dead letter, which the body `{}` does not repair
        assert answer.status < 300 or too_late or none_dead, (route, answer)
