"""Clients of the gateway notice nothing when one of two replicas ends: requests that may be repeated all succeed."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from infra.stack import Layout, send_request
from tests.steady_load import Load, Send, steady_load
from tests.system.marketplace import Marketplace, Person, Visit

PAUSE_S = 0.03
"""Pause between requests of one person, to stay below the limit of 50 a second."""


def sends(person: Person, method: str, path: str, body: Any = None, *, keys: Iterator[str] | None = None) -> Send:
    async def send() -> tuple[int, str]:
        headers = {"Idempotency-Key": next(keys)} if keys else {}
        status, answer = await person.request(method, "gateway", path, body, **headers)
        return status, json.dumps(answer)

    return send


def new_keys() -> Iterator[str]:
    return (str(uuid4()) for _ in itertools.count())


async def requests_to(visit: Visit, service: str) -> Mapping[str, Send]:
    """Return requests of every method that may be repeated, each by a person of its own."""
    seller, product_id = await visit.product(on_hand=1000)
    people = {method: await visit.customer() for method in ("GET", "PUT", "DELETE", "POST")}
    if service == "catalog":
        return {
            "GET": sends(people["GET"], "GET", f"/products/{product_id}"),
            "POST": sends(seller, "POST", f"/products/{product_id}/restock", {"quantity": 1}, keys=new_keys()),
        }
    if service == "checkout":
        order_id = await people["GET"].check_out(product_id)
        await people["GET"].order(order_id, "delivered")
        return {"GET": sends(people["GET"], "GET", f"/orders/{order_id}")}
    path, body = {
        "cart": ("/carts/{0}/items/" + product_id, {"quantity": 2}),
        "delivery": ("/addresses/{0}", ADDRESS),
        "notifications": ("/contacts/{0}", {"email": "ada@example.org"}),
    }[service]
    read = "/carts/{0}" if service == "cart" else path
    found = {
        "GET": sends(people["GET"], "GET", read.format(people["GET"].subject)),
        "PUT": sends(people["PUT"], "PUT", path.format(people["PUT"].subject), body),
        "DELETE": sends(people["DELETE"], "DELETE", path.format(people["DELETE"].subject)),
    }
    if service == "cart":
        buyer = people["POST"]
        assert (await buyer.request("PUT", "cart", path.format(buyer.subject), body))[0] == 200
        found["POST"] = sends(buyer, "POST", f"/carts/{buyer.subject}/checkout", {}, keys=itertools.repeat("one-order"))
    return found


ADDRESS = {"name": "Ada", "street": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"}


class Replicas:
    """The supervisor of the stack, and the load on one of its services."""

    def __init__(self, marketplace: Marketplace, load: Load) -> None:
        self._socket = Layout(marketplace.name, marketplace.home / marketplace.name).socket
        self.load = load

    async def order(self, do: str, part: str = "", **arguments: Any) -> None:
        await send_request(self._socket, {"do": do, "part": part, **arguments})


@asynccontextmanager
async def under_load(marketplace: Marketplace, visit: Visit, service: str, replicas: int) -> AsyncIterator[Replicas]:
    """Run the block while people use the service, which has so many replicas. Asserts that no request failed."""
    kinds = await requests_to(visit, service)
    supervisor = Replicas(marketplace, Load())
    await supervisor.order("scale", service=service, replicas=replicas)
    try:
        async with steady_load(kinds, pause_s=PAUSE_S) as load:
            yield Replicas(marketplace, load)
    finally:
        await supervisor.order("scale", service=service, replicas=1)
    load.require_no_failure(at_least=20)


@pytest.mark.slow  # test_discovery.py does the same with toys
async def test_no_request_fails_when_replicas_of_the_cart_are_killed_started_and_restarted(
    marketplace: Marketplace, visit: Visit
) -> None:
    async with under_load(marketplace, visit, "cart", 2) as cart:
        await cart.order("kill", "cart.2")
        await cart.order("start", "cart.2")
        await cart.order("restart", "cart.1")


SERVICES = ["catalog", "cart", "checkout", "notifications", "delivery"]


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_no_request_fails_while_a_service_is_restarted_scaled_and_loses_a_replica(
    marketplace: Marketplace, visit: Visit, service: str
) -> None:
    async with under_load(marketplace, visit, service, 1) as supervisor:
        for replicas in (2, 3):
            await supervisor.order("scale", service=service, replicas=replicas)
        await supervisor.order("restart", service)
        await supervisor.order("scale", service=service, replicas=2)
        await supervisor.order("kill", f"{service}.1")
        await supervisor.order("start", f"{service}.1")
        await supervisor.order("scale", service=service, replicas=1)
