"""Tests the catalog's routes over real HTTP."""

from typing import Any
from uuid import UUID

import pytest

from marketplace_runtime.database import Database, new_id
from tests.integration.catalog.listing import PRICE, TABLE, a_product
from tests.integration.catalog.web import Client
from tests.integration.one_service import published_events


async def test_a_seller_offers_a_product_that_anyone_can_see(anyone: Client, sam: Client, database: Database) -> None:
    answer = await sam.post("/products", TABLE)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/products/{answer.body['product_id']}"
    seen = await anyone.get(answer.headers["Location"])
    assert seen.status == 200
    assert (
        seen.body
        == answer.body
        == {
            "product_id": answer.body["product_id"],
            "seller_id": "sam",
            "name": "Oak table",
            "category": "tables",
            "price": PRICE,
            "status": "on-sale",
            "available": 10,
            "version": 1,
        }
    )
    assert [type for type, _ in await published_events(database)] == ["product-listed"]


async def test_products_are_listed_in_pages_without_discontinued_ones(sam: Client) -> None:
    listed = [(await a_product(sam, name=f"Table {number}"))["product_id"] for number in range(5)]
    await sam.post(f"/products/{listed[2]}/discontinue")

    async def walk(query: str) -> list[str]:
        seen, cursor = [], ""
        while True:
            page = (await sam.get(f"/products?limit=2{query}{cursor}")).body
            seen += [item["product_id"] for item in page["items"]]
            if page.get("next_cursor") is None:
                return seen
            cursor = f"&cursor={page['next_cursor']}"

    assert await walk("") == listed[:2] + listed[3:]
    assert await walk("&discontinued=true") == listed
    assert await walk("&search=TABLE") == listed[:2] + listed[3:]
    assert await walk("&category=chairs") == []


async def test_a_seller_changes_price_restocks_and_discontinues(sam: Client, database: Database) -> None:
    product = (await a_product(sam, on_hand=0))["product_id"]
    price = {"amount": 2099, "currency": "EUR"}
    repriced = await sam.post(f"/products/{product}/price", {"price": price})
    assert (repriced.status, repriced.body["price"], repriced.body["status"]) == (200, price, "sold-out")
    restocked = await sam.post(f"/products/{product}/restock", {"quantity": 7})
    assert (restocked.status, restocked.body["available"], restocked.body["status"]) == (200, 7, "on-sale")
    gone = await sam.post(f"/products/{product}/discontinue")
    assert (gone.status, gone.body["status"], gone.body["version"]) == (200, "discontinued", 4)
    again = await sam.post(f"/products/{product}/discontinue")
    assert (again.status, again.body) == (200, gone.body)
    assert [type for type, _ in await published_events(database)] == [
        "product-listed",
        "price-changed",
        "product-restocked",
        "product-discontinued",
    ]


@pytest.mark.parametrize(
    ("action", "body"), [("price", {"price": PRICE}), ("restock", {"quantity": 1}), ("discontinue", None)]
)
async def test_only_its_seller_can_change_a_product(anyone: Client, sam: Client, action: str, body: Any) -> None:
    product = (await a_product(sam))["product_id"]
    path = f"/products/{product}/{action}"
    assert (await anyone.post(path, body)).status == 401
    assert (await anyone.by("sam").post(path, body)).status == 403
    assert (await anyone.by("eve", "seller").post(path, body)).status == 404
    assert (await sam.post(f"/products/{new_id()}/{action}", body)).status == 404


async def test_a_discontinued_product_can_be_neither_repriced_nor_restocked(sam: Client) -> None:
    product = (await a_product(sam))["product_id"]
    await sam.post(f"/products/{product}/discontinue")
    for action, body in (("price", {"price": PRICE}), ("restock", {"quantity": 1})):
        answer = await sam.post(f"/products/{product}/{action}", body)
        assert (answer.status, answer.headers["Content-Type"]) == (409, "application/problem+json")


async def test_stock_has_a_limit(sam: Client, database: Database) -> None:
    product = (await a_product(sam))["product_id"]
    async with database.transaction() as tx:
        await tx.execute("update products set on_hand = 999999999 where product_id = $1", UUID(product))
    assert (await sam.post(f"/products/{product}/restock", {"quantity": 2})).status == 409
    assert (await sam.post(f"/products/{product}/restock", {"quantity": 1})).status == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 201},
        {"name": "\x00"},
        {"name": "\ud800"},
        {"name": 7},
        {"category": None},
        {"price": {"amount": -1, "currency": "EUR"}},
        {"price": {"amount": 0, "currency": "EUR"}},
        {"price": {"amount": 10**20, "currency": "EUR"}},
        {"price": {"amount": 1.5, "currency": "EUR"}},
        {"price": {"amount": 1, "currency": "euro"}},
        {"price": {"amount": 1, "currency": "ZZZ"}},
        {"price": {"amount": 1, "currency": "XAU"}},
        {"on_hand": -1},
        {"on_hand": 1_000_001},
        {"on_hand": True},
        {"low_stock_threshold": -1},
        {"seller_id": "eve"},
    ],
)
async def test_an_invalid_product_is_refused(sam: Client, changed: Any) -> None:
    answer = await sam.post("/products", TABLE | changed)
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")


@pytest.mark.parametrize(
    ("currency", "meant"), [("eur", "EUR"), ("euro", "three capital letters, such as EUR"), ("xau", "three capital")]
)
async def test_the_error_for_an_unknown_currency_says_what_to_write(sam: Client, currency: str, meant: str) -> None:
    answer = await sam.post("/products", TABLE | {"price": {"amount": 1, "currency": currency}})
    [error] = answer.body["errors"]
    assert error["pointer"] == "/body/price/currency"
    assert error["detail"].startswith(f"{currency} is not an ISO 4217 currency code that prices can use: write {meant}")


@pytest.mark.parametrize("quantity", [0, -1, 1_000_001, 10**30, "1", None])
async def test_an_invalid_restock_is_refused(sam: Client, quantity: Any) -> None:
    product = (await a_product(sam))["product_id"]
    answer = await sam.post(f"/products/{product}/restock", {"quantity": quantity})
    assert answer.status == 422


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=zzz", "search=%00"])
async def test_an_invalid_query_for_products_is_refused(sam: Client, query: str) -> None:
    assert (await sam.get(f"/products?{query}")).status == 422


async def test_an_unknown_product_is_not_found(sam: Client) -> None:
    assert (await sam.get(f"/products/{new_id()}")).status == 404
    assert (await sam.get("/products/rubbish")).status == 422


async def test_one_idempotency_key_lists_one_product(sam: Client, database: Database) -> None:
    keyed = sam.keyed("table-1")
    first, again = await keyed.post("/products", TABLE), await keyed.post("/products", TABLE)
    assert (again.status, again.body) == (201, first.body)
    assert (await keyed.post("/products", TABLE | {"name": "Chair"})).status == 422
    assert len(await published_events(database)) == 1
