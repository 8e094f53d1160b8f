"""Tests the cart's routes over real HTTP."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from cart.settings import settings
from contracts import Money
from contracts.catalog import PriceChangedV1, ProductFacts, ProductListedV1, ProductStatus
from contracts.checkout import CancellationReason, OrderCancelledV1
from contracts.delivery import AddressErasedV1, AddressRecordedV1
from marketplace_runtime.database import Database, new_id
from tests.integration.cart.receiving import receive
from tests.integration.catalog.web import Client
from tests.integration.one_service import published_events

SEEN = {"amount": 100, "currency": "EUR"}


def facts(
    version: int = 1, amount: int = 100, currency: str = "EUR", status: ProductStatus = ProductStatus.ON_SALE
) -> ProductFacts:
    price = Money(amount=amount, currency=currency)
    return ProductFacts(version=version, name="Oak table", category="tables", price=price, status=status)


async def listed(database: Database, known: ProductFacts | None = None) -> UUID:
    product = new_id()
    await receive(database, ProductListedV1(product_id=product, seller_id="sam", facts=known or facts()))
    return product


async def test_a_new_cart_is_empty(ann: Client) -> None:
    answer = await ann.get("/carts/ann")
    assert (answer.status, answer.body) == (200, {"customer_id": "ann", "lines": [], "total": None})


async def test_a_cart_shows_the_price_that_the_customer_saw_and_todays_price(ann: Client, database: Database) -> None:
    product = await listed(database)
    item = f"/carts/ann/items/{product}"
    put = await ann.put(item, {"quantity": 2})
    line = {
        "product_id": str(product),
        "name": "Oak table",
        "status": "on-sale",
        "quantity": 2,
        "in_checkout": 0,
        "unit_price": SEEN,
        "new_price": None,
    }
    assert (put.status, put.body) == (
        200,
        {"customer_id": "ann", "lines": [line], "total": {"amount": 200, "currency": "EUR"}},
    )
    await receive(database, PriceChangedV1(product_id=product, facts=facts(2, amount=120)))
    today = {"amount": 120, "currency": "EUR"}
    assert (await ann.get("/carts/ann")).body["lines"] == [line | {"new_price": today}]
    await ann.put(item, {"quantity": 2})
    assert (await ann.get("/carts/ann")).body["lines"] == [line | {"unit_price": today}]


async def test_the_checkout_of_an_empty_cart_is_refused(ann: Client) -> None:
    answer = await ann.post("/carts/ann/checkout")
    assert (answer.status, answer.body["detail"]) == (409, "The cart is empty: put something into it first.")


async def test_an_item_can_be_removed(ann: Client, database: Database) -> None:
    item = f"/carts/ann/items/{await listed(database)}"
    await ann.put(item, {"quantity": 2})
    assert (await ann.delete(item)).status == 204
    assert (await ann.delete(item)).status == 204
    assert (await ann.get("/carts/ann")).body["lines"] == []


@pytest.mark.parametrize("checkout", ["https://shop.example/api", "https://shop.example/api/"])
async def test_a_checkout_is_accepted_with_the_orders_id(
    ann: Client, database: Database, monkeypatch: pytest.MonkeyPatch, checkout: str
) -> None:
    monkeypatch.setattr(settings(), "checkout_public_url", checkout)
    item = f"/carts/ann/items/{await listed(database)}"
    await ann.put(item, {"quantity": 2})
    answer = await ann.post("/carts/ann/checkout")
    assert answer.status == 202
    assert answer.headers["Location"] == f"https://shop.example/api/orders/{answer.body['order_id']}"
    [(type, body)] = await published_events(database)
    assert (type, body["order_id"]) == ("cart-checked-out", answer.body["order_id"])
    [line] = (await ann.get("/carts/ann")).body["lines"]
    assert (line["quantity"], line["in_checkout"]) == (2, 2)
    assert (await ann.post("/carts/ann/checkout")).status == 409
    assert (await ann.put(item, {"quantity": 1})).status == 409
    assert (await ann.put(item, {"quantity": 5})).status == 200
    assert (await ann.delete(item)).status == 204
    [line] = (await ann.get("/carts/ann")).body["lines"]
    assert (line["quantity"], line["in_checkout"]) == (2, 2)


async def test_a_cart_is_emptied_by_one_request(ann: Client, database: Database) -> None:
    for product in [await listed(database) for _ in range(5)]:
        await ann.put(f"/carts/ann/items/{product}", {"quantity": 1})
    assert (await ann.delete("/carts/ann/items")).status == 204
    assert (await ann.get("/carts/ann")).body["lines"] == []
    assert (await ann.delete("/carts/ann/items")).status == 204


async def test_checkouts_that_race_order_once(ann: Client, database: Database) -> None:
    await ann.put(f"/carts/ann/items/{await listed(database)}", {"quantity": 2})
    answers = await asyncio.gather(*(ann.post("/carts/ann/checkout") for _ in range(8)))
    assert Counter(answer.status for answer in answers) == {202: 1, 409: 7}
    assert len(await published_events(database)) == 1


async def test_a_refusal_names_its_product(ann: Client, database: Database) -> None:
    product = await listed(database, facts(status=ProductStatus.DISCONTINUED))
    answer = await ann.put(f"/carts/ann/items/{product}", {"quantity": 1})
    assert (answer.status, answer.body["product_ids"]) == (409, [str(product)])
    assert answer.body["detail"] == "This product is discontinued: it cannot be bought."
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_another_currency_is_a_conflict(ann: Client, database: Database) -> None:
    euros, pounds = await listed(database), await listed(database, facts(currency="GBP"))
    await ann.put(f"/carts/ann/items/{euros}", {"quantity": 1})
    answer = await ann.put(f"/carts/ann/items/{pounds}", {"quantity": 1})
    assert (answer.status, answer.body["product_ids"]) == (409, [str(pounds)])
    assert answer.body["detail"].startswith("The cart is in EUR, but this product is priced in GBP: ")


async def test_an_unknown_product_is_not_found(ann: Client) -> None:
    assert (await ann.put(f"/carts/ann/items/{new_id()}", {"quantity": 1})).status == 404
    assert (await ann.put("/carts/ann/items/rubbish", {"quantity": 1})).status == 422


@pytest.mark.parametrize("quantity", [0, -1, 1001, 10**30, 1.5, "1", True, None])
async def test_an_invalid_quantity_is_refused(ann: Client, database: Database, quantity: Any) -> None:
    answer = await ann.put(f"/carts/ann/items/{await listed(database)}", {"quantity": quantity})
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")


@pytest.mark.parametrize(("subject", "roles", "status"), [(None, (), 401), ("eve", (), 404), ("sam", ("seller",), 404)])
async def test_only_its_owner_can_see_or_change_a_cart(
    anyone: Client, ann: Client, database: Database, subject: str | None, roles: tuple[str, ...], status: int
) -> None:
    item = f"/carts/ann/items/{await listed(database)}"
    await ann.put(item, {"quantity": 1})
    other = anyone.by(subject, *roles) if subject else anyone
    answers = [
        await other.get("/carts/ann"),
        await other.put(item, {"quantity": 2}),
        await other.delete(item),
        await other.post("/carts/ann/checkout"),
    ]
    assert [answer.status for answer in answers] == [status] * 4
    [line] = (await ann.get("/carts/ann")).body["lines"]
    assert line["quantity"] == 1


async def test_one_idempotency_key_places_one_order(ann: Client, database: Database) -> None:
    await ann.put(f"/carts/ann/items/{await listed(database)}", {"quantity": 2})
    keyed = ann.keyed("order-1")
    first, again = await keyed.post("/carts/ann/checkout"), await keyed.post("/carts/ann/checkout")
    assert (again.status, again.body) == (202, first.body)
    assert len(await published_events(database)) == 1


def recorded(address_id: UUID, revision: int = 1) -> AddressRecordedV1:
    return AddressRecordedV1(customer_id="ann", address_id=address_id, revision=revision)


async def filled(ann: Client, database: Database) -> None:
    assert (await ann.put(f"/carts/ann/items/{await listed(database)}", {"quantity": 1})).status == 200


async def test_a_checkout_names_the_current_address(ann: Client, database: Database) -> None:
    home = new_id()
    await filled(ann, database)
    await receive(database, recorded(new_id(), 1), recorded(home, 3), recorded(new_id(), 2))
    assert (await ann.post("/carts/ann/checkout")).status == 202
    [(_, event)] = await published_events(database)
    assert event["address_id"] == str(home)


async def test_a_checkout_of_an_unknown_customer_is_accepted(ann: Client, database: Database) -> None:
    await filled(ann, database)
    assert (await ann.post("/carts/ann/checkout")).status == 202
    [(_, event)] = await published_events(database)
    assert "address_id" not in event


async def test_a_checkout_is_refused_between_erasing_the_address_and_recording_a_new_one(
    ann: Client, database: Database
) -> None:
    await filled(ann, database)
    await receive(database, AddressErasedV1(customer_id="ann", revision=2), recorded(new_id(), 1))
    refused = await ann.post("/carts/ann/checkout")
    assert (refused.status, refused.body["type"]) == (409, "urn:problem:marketplace:address-missing")
    assert "record one with delivery" in refused.body["detail"]
    await receive(database, recorded(new_id(), 3))
    assert (await ann.post("/carts/ann/checkout")).status == 202


async def test_a_checkout_is_refused_after_an_order_was_cancelled_for_lack_of_an_address(
    ann: Client, database: Database
) -> None:
    await filled(ann, database)
    order_id = UUID((await ann.post("/carts/ann/checkout")).body["order_id"])
    over = {"order_id": order_id, "customer_id": "ann", "reason": CancellationReason.SHIPPING_FAILED}
    await receive(database, OrderCancelledV1(**over, detail="no-address"))
    assert (await ann.post("/carts/ann/checkout")).status == 409
    await receive(database, recorded(new_id()))
    assert (await ann.post("/carts/ann/checkout")).status == 202


@pytest.mark.slow
async def test_an_address_recorded_while_its_order_is_cancelled_counts(ann: Client, database: Database) -> None:
    await filled(ann, database)
    await receive(database, recorded(new_id()))
    over = {"order_id": new_id(), "customer_id": "ann", "reason": CancellationReason.SHIPPING_FAILED}
    await receive(database, OrderCancelledV1(**over, detail="no-address"))
    assert (await ann.post("/carts/ann/checkout")).status == 202
