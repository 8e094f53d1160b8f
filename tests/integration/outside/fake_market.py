"""A fake marketplace in one process, with the HTTP API that the simulator uses; a test can make it fail."""

import asyncio
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
from aiohttp import web

from infra.lab.simulator import Endpoints

CALLER = web.RequestKey("caller", str)
SERVICES = {
    "products": "catalog",
    "carts": "cart",
    "orders": "checkout",
    "addresses": "delivery",
    "contacts": "notifications",
}
"""The service that serves each kind of resource."""


@dataclass
class FakeOrder:
    id: str
    customer: str
    placed_at: float
    wish: str
    entries: list[dict[str, Any]] = field(default_factory=list)

    def note(self, type: str) -> None:
        self.entries.append({"version": len(self.entries) + 1, "type": type, "at": datetime.now(UTC).isoformat()})

    @property
    def status(self) -> str:
        return str(self.entries[-1]["type"])


@dataclass
class FakeMarket:
    confirm_after_s: float = 0.1
    deliver_after_s: float = 0.4
    down: set[str] = field(default_factory=set)
    sold_out: set[str] = field(default_factory=set)
    dearer: set[str] = field(default_factory=set)
    agreed: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By customer, the products that were put into the cart at today's price."""
    """The services that answer 503."""
    lose_checkouts: int = 0
    """How many checkouts are carried out but not answered."""
    stuck: bool = False
    """Whether orders stay in their first state."""
    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    carts: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    orders: dict[str, FakeOrder] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def open(self, issuer: str) -> AsyncIterator[Endpoints]:
        app = web.Application(middlewares=[self._judge])
        add = app.router.add_route
        add("GET", "/products", self._list)
        add("POST", "/products", self._create)
        add("GET", "/products/{id}", self._product)
        add("POST", "/products/{id}/{what}", self._product)
        add("GET", "/carts/{customer}", self._cart)
        add("PUT", "/carts/{customer}/items/{id}", self._put)
        add("DELETE", "/carts/{customer}/items/{id}", self._delete)
        add("POST", "/carts/{customer}/checkout", self._check_out)
        add("GET", "/orders", self._orders)
        add("GET", "/orders/{id}", self._order)
        add("GET", "/orders/{id}/journal", self._journal)
        add("POST", "/orders/{id}/cancel", self._cancel)
        add("PUT", "/addresses/{person}", self._ok)
        add("PUT", "/contacts/{person}", self._ok)
        add("GET", "/{service}/ops/counts", self._counts)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ops = {service: f"{url}/{service}" for service in SERVICES.values()}
        yield Endpoints(gateway=url, issuer=issuer, ops=ops)
        for task in self.tasks:
            task.cancel()
        await runner.cleanup()

    @web.middleware
    async def _judge(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        resource = request.path.split("/")[1]
        service = SERVICES.get(resource, resource)
        self.requests[f"{request.method} {service}"] += 1
        if service in self.down:
            return web.json_response({"type": "urn:problem:down"}, status=503)
        token = request.headers["Authorization"].removeprefix("Bearer ")
        caller = jwt.decode(token, options={"verify_signature": False})["sub"]
        request[CALLER] = caller
        owner = request.match_info.get("customer") or request.match_info.get("person")
        if owner is not None and owner != caller:
            return web.json_response({}, status=404)
        return await handler(request)

    async def _ok(self, _request: web.Request) -> web.Response:
        return web.json_response({})

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"items": list(self.products.values())[:20], "next_cursor": None})

    async def _create(self, request: web.Request) -> web.Response:
        product = {**await request.json(), "product_id": str(uuid.uuid4()), "listed_at": time.monotonic()}
        self.products[product["product_id"]] = product
        return web.json_response(product, status=201)

    async def _product(self, request: web.Request) -> web.Response:
        return web.json_response(self.products[request.match_info["id"]])

    async def _cart(self, request: web.Request) -> web.Response:
        cart = self.carts[request[CALLER]]
        dearer = {"amount": 1, "currency": "EUR"}
        lines = [
            {"product_id": id, "quantity": n, "in_checkout": 0, "status": self._status(id)}
            | {"new_price": dearer if id in self.dearer - self.agreed[request[CALLER]] else None}
            for id, n in cart.items()
        ]
        return web.json_response({"lines": lines, "total": None})

    def _status(self, id: str) -> str:
        if id in self.sold_out:
            return "sold-out"
        return "on-sale" if id in self.products else "discontinued"

    async def _put(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        if time.monotonic() - self.products[id]["listed_at"] < 0.2:  # the cart has not received its event yet
            return web.json_response({}, status=404)
        self.carts[request[CALLER]][id] = (await request.json())["quantity"]
        self.agreed[request[CALLER]].add(id)
        return web.json_response({})

    async def _delete(self, request: web.Request) -> web.Response:
        self.carts[request[CALLER]].pop(request.match_info["id"], None)
        return web.Response(status=204)

    async def _check_out(self, request: web.Request) -> web.Response:
        key, customer = request.headers["Idempotency-Key"], request[CALLER]
        if key not in self.accepted:
            if any(self._status(id) == "discontinued" for id in self.carts[customer]):
                return web.json_response({"type": "urn:problem:no-longer-sold"}, status=409)
            cart = self.carts.pop(customer, None)
            if not cart:
                return web.json_response({"type": "urn:problem:nothing-to-buy"}, status=409)
            wish = [f"{quantity} x {self.products[id]['name']}" for id, quantity in cart.items()]
            order = FakeOrder(str(uuid.uuid4()), customer, time.monotonic(), f"{customer[-5:]}: {sorted(wish)}")
            order.note("placed")
            self.orders[order.id] = order
            self.accepted[key] = order.id
            if not self.stuck:
                self.tasks.add(asyncio.create_task(self._advance(order)))
        if self.lose_checkouts:
            self.lose_checkouts -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"order_id": self.accepted[key]}, status=202)

    async def _advance(self, order: FakeOrder) -> None:
        await asyncio.sleep(self.confirm_after_s)
        if order.status == "placed":
            order.note("confirmed")
            await asyncio.sleep(self.deliver_after_s)
            if order.status == "confirmed":
                order.note("delivered")

    async def _orders(self, request: web.Request) -> web.Response:
        mine = [order for order in self.orders.values() if order.customer == request[CALLER]]
        start = int(request.query.get("cursor", "0"))
        items = [{"order_id": each.id, "status": each.status} for each in mine[start : start + 2]]
        cursor = str(start + 2) if start + 2 < len(mine) else None
        return web.json_response({"items": items, "next_cursor": cursor})

    async def _order(self, request: web.Request) -> web.Response:
        order = self.orders[request.match_info["id"]]
        if time.monotonic() - order.placed_at < 0.05:
            return web.json_response({}, status=404)
        return web.json_response({"order_id": order.id, "status": order.status})

    async def _journal(self, request: web.Request) -> web.Response:
        return web.json_response({"entries": self.orders[request.match_info["id"]].entries})

    async def _cancel(self, request: web.Request) -> web.Response:
        order = self.orders[request.match_info["id"]]
        if order.status in {"delivered", "cancelled"}:
            return web.json_response({}, status=409)
        order.note("cancelled")
        return web.json_response({}, status=202)

    async def _counts(self, request: web.Request) -> web.Response:
        published = sum(len(order.entries) for order in self.orders.values())
        of_checkout = request.match_info["service"] == "checkout"
        counts = {"published": published if of_checkout else 0, "handled": 0, "retried": 0, "dead": 0}
        return web.json_response({**counts, "pending": 0, "scheduled": 0})
