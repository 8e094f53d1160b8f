"""While a part is down, services that need it answer 503 with Retry-After, and all others continue."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.system.http_requests import Answer, token_for, well_formed_answer
from tests.system.marketplace import Marketplace, Person, Visit, until


@asynccontextmanager
async def without(marketplace: Marketplace, part: str) -> AsyncIterator[None]:
    await asyncio.to_thread(marketplace.command, "kill", part)
    try:
        yield
    finally:
        await asyncio.to_thread(marketplace.command, "start", part)


@pytest.mark.timeout(180)
async def test_without_its_database_a_service_answers_503_and_the_others_continue(
    marketplace: Marketplace, visit: Visit
) -> None:
    seller, product_id = await visit.product()
    customer = await visit.customer()
    token = await token_for(visit, customer.subject, "operator")
    cart, item = f"/carts/{customer.subject}", f"/carts/{customer.subject}/items/{product_id}"

    async def asked(method: str, path: str, **options: object) -> Answer:
        return await well_formed_answer(visit, method, "cart", path, token=token, **options)

    async def served() -> bool:
        return (await asked("PUT", item, json={"quantity": 2})).status == 200

    assert await served()
    async with without(marketplace, "cart-db"):
        for answer in (
            await asked("GET", cart),
            await asked("PUT", item, json={"quantity": 3}),
            await asked("DELETE", item),
            await asked("POST", f"{cart}/checkout", headers={"Idempotency-Key": "outage"}),
            await asked("GET", "/ops/counts"),
        ):
            assert (answer.status, answer.slug) == (503, "unavailable")
            assert 0 < int(answer.headers["Retry-After"]) <= 60
        assert (await well_formed_answer(visit, "GET", "cart", "/livez")).status == 200
        async with visit.http.get(visit.base("cart") + "/readyz") as ready:
            assert (ready.status, (await ready.json())["database"] == "ok") == (200, False)
        # Errors of a request are still reported: finding them needs no database.
        assert (await well_formed_answer(visit, "GET", "cart", cart)).status == 401
        assert (await asked("PUT", item, data=b"{", headers={"Content-Type": "application/json"})).status == 400

        await seller.get("catalog", f"/products/{product_id}")
        price = {"price": {"amount": 2001, "currency": "EUR"}}
        assert (await seller.request("POST", "catalog", f"/products/{product_id}/price", price))[0] == 200
        await others_continue(customer)
    await until(served, 30)
    assert [line["quantity"] for line in (await asked("GET", cart)).json["lines"]] == [2]
    answer = await asked("POST", f"{cart}/checkout", headers={"Idempotency-Key": "outage"})
    assert (answer.status, "Idempotency-Replayed" in answer.headers) == (202, False)
    await customer.order(answer.json["order_id"], "delivered", "cancelled")


async def others_continue(customer: Person) -> None:
    assert (await customer.get("checkout", "/orders"))["items"] == []
    assert (await customer.get("delivery", f"/addresses/{customer.subject}"))["city"] == "Berlin"
    assert (await customer.get("notifications", "/notifications"))["items"] == []


@pytest.mark.slow  # it restarts the broker and a service
@pytest.mark.timeout(240)
async def test_without_the_broker_every_service_stays_in_rotation_and_can_be_restarted(
    marketplace: Marketplace, visit: Visit
) -> None:
    _, product_id = await visit.product()
    customer = await visit.customer()
    item, cart = f"/carts/{customer.subject}/items/{product_id}", f"/carts/{customer.subject}"

    async def in_the_cart() -> bool:
        return (await customer.request("PUT", "cart", item, {"quantity": 1}))[0] == 200

    async def components(service: str) -> dict[str, str]:
        async with visit.http.get(visit.base(service) + "/readyz") as answer:
            assert answer.status == 200
            return await answer.json()

    async def status() -> dict[str, Any]:
        return json.loads((await asyncio.to_thread(marketplace.command, "status", "--json")).stdout)

    async def all_healthy() -> bool:
        return not any(each["unhealthy"] for each in (await status())["figures"]["services"].values())

    await until(in_the_cart, 20)
    async with without(marketplace, "broker"):
        services = list(visit.marketplace.state["services"])

        async def seen_by_all() -> bool:
            return all([(await components(service))["publisher"] != "ok" for service in services])

        await until(seen_by_all, 20)
        await asyncio.to_thread(marketplace.command, "restart", "cart")
        document = await components("cart")
        assert (document["status"], document["database"]) == ("ready", "ok")
        found = await status()
        assert {part["state"] for name, part in found["parts"].items() if name != "broker"} == {"ready"}
        assert "publisher" in found["figures"]["services"]["cart"]["unhealthy"]
        async with visit.http.get(visit.base("cart") + "/metrics") as answer:
            assert 'component_healthy{component="publisher"} 0.0' in await answer.text()
        accepted = await customer.request("POST", "cart", f"{cart}/checkout", {})
        assert accepted[0] == 202
    await customer.order(accepted[1]["order_id"], "delivered", within_s=60)
    await until(all_healthy, 30)


@pytest.mark.timeout(180)
async def test_without_the_stand_ins_people_with_tokens_are_served(marketplace: Marketplace, visit: Visit) -> None:
    """The issuer's keys are cached, so valid tokens are still accepted while it is down."""
    seller, product_id = await visit.product()
    customer, newcomer = await visit.customer(), await visit.person()
    async with without(marketplace, "outside"):
        with pytest.raises(OSError, match="onnect"):
            await visit.person()
        await others_continue(customer)
        for person in (customer, newcomer):  # no service has seen the newcomer's token before
            cart = f"/carts/{person.subject}"
            assert (await person.request("PUT", "cart", f"{cart}/items/{product_id}", {"quantity": 1}))[0] == 200
        restock = f"/products/{product_id}/restock"
        assert (await seller.request("POST", "catalog", restock, {"quantity": 1}))[0] == 200
        status, accepted = await customer.request("POST", "cart", f"/carts/{customer.subject}/checkout", {})
        assert status == 202
        await customer.order(accepted["order_id"], "paying")
        forged = await well_formed_answer(
            visit, "GET", "checkout", "/orders", token="eyJhbGciOiJFUzI1NiIsImtpZCI6Im5ldyJ9.e30.AAAA"
        )
        assert forged.status == 401
    await customer.order(accepted["order_id"], "delivered", within_s=60)
