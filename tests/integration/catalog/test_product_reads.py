"""Products are read in two versions, and shared caches can keep both, with a real database."""

from typing import Any
from uuid import UUID

import pytest

from marketplace_runtime.database import Database, new_id
from tests.integration.catalog.listing import PRICE, a_product
from tests.integration.catalog.receiving import receive
from tests.integration.catalog.stocking import placed
from tests.integration.catalog.web import Answer, Client

VERSIONS = ("/products", "/v2/products")
in_both_versions = pytest.mark.parametrize("products", VERSIONS)


async def paths(sam: Client, products: str, **changed: Any) -> tuple[str, str]:
    """Create a product, and return the paths of the list and of the product."""
    return products, f"{products}/{(await a_product(sam, **changed))['product_id']}"


async def revalidate(anyone: Client, path: str, known: Answer) -> Answer:
    return await anyone.having(known.headers["ETag"]).get(path)


@in_both_versions
async def test_an_unchanged_product_is_answered_304(anyone: Client, sam: Client, products: str) -> None:
    for path in await paths(sam, products):
        full = await anyone.get(path)
        assert full.headers["Cache-Control"] == (
            "public, max-age=0, s-maxage=5, stale-while-revalidate=30, stale-if-error=86400"
        )
        again = await revalidate(anyone, path, full)
        assert (again.status, again.body) == (304, None)
        assert "Content-Type" not in again.headers
        for name in ("ETag", "Cache-Control", "CDN-Cache-Control", "Vary"):
            assert again.headers[name] == full.headers[name]
        assert (await anyone.having("*").get(path)).status == 304
        assert (await sam.having('"x", ' + full.headers["ETag"].removeprefix("W/")).get(path)).status == 304
        assert (await anyone.having('W/"x"').get(path)).body == full.body


@in_both_versions
async def test_a_new_price_is_visible_at_once(anyone: Client, sam: Client, products: str) -> None:
    both = await paths(sam, products)
    before = [await anyone.get(path) for path in both]
    product_id = before[1].body["product_id"]
    await sam.post(f"/products/{product_id}/price", {"price": PRICE | {"amount": 2099}})
    for path, known in zip(both, before, strict=True):
        after = await revalidate(anyone, path, known)
        assert after.status == 200
        assert after.headers["ETag"] != known.headers["ETag"]
        product = after.body if path != products else after.body["items"][0]
        assert product["price"]["amount"] == 2099


async def test_version_2_says_how_well_a_product_can_be_bought(anyone: Client, sam: Client, database: Database) -> None:
    product = await a_product(sam, on_hand=4, low_stock_threshold=3)
    path = f"/v2/products/{product['product_id']}"
    first = await anyone.get(path)
    assert first.body == {name: each for name, each in product.items() if name != "available"} | {
        "availability": "in_stock"
    }
    assert list(first.body) == [name.replace("available", "availability") for name in product]
    assert (await anyone.get("/v2/products")).body["items"] == [first.body]

    async def reserve(units: int) -> str:
        await receive(database, placed({UUID(product["product_id"]): units}, amount=PRICE["amount"]))
        return str((await anyone.get(path)).body["availability"])

    assert await reserve(1) == "in_stock"
    assert (await revalidate(anyone, path, first)).status == 304
    assert await reserve(1) == "low_stock"
    assert await reserve(2) == "sold_out"
    assert (await anyone.get(path)).body["status"] == "sold-out"


async def test_the_seller_still_sees_the_number_of_units(sam: Client) -> None:
    product = await a_product(sam, on_hand=4)
    restocked = await sam.post(f"/products/{product['product_id']}/restock", {"quantity": 3})
    assert (product["available"], restocked.body["available"]) == (4, 7)
    assert restocked.headers["Cache-Control"] == "no-store"


async def test_a_discontinued_product_is_sold_out(anyone: Client, sam: Client) -> None:
    _, path = await paths(sam, "/v2/products", on_hand=4)
    await sam.post(f"{path.removeprefix('/v2')}/discontinue")
    seen = (await anyone.get(path)).body
    assert (seen["status"], seen["availability"]) == ("discontinued", "sold_out")


async def test_both_versions_list_the_same_pages(anyone: Client, sam: Client) -> None:
    for number in range(3):
        await a_product(sam, name=f"Table {number}")
    pages = [await anyone.get(f"{products}?limit=2&search=table") for products in VERSIONS]
    ids = [[item["product_id"] for item in page.body["items"]] for page in pages]
    assert ids[0] == ids[1]
    assert pages[0].body["next_cursor"] == pages[1].body["next_cursor"]


async def test_only_version_1_is_deprecated(anyone: Client, sam: Client) -> None:
    (_, old), (_, new) = await paths(sam, VERSIONS[0]), await paths(sam, VERSIONS[1])
    for path, successor in (("/products", "/v2/products"), (old, f"/v2{old}")):
        full = await anyone.get(path)
        for answer in (full, await revalidate(anyone, path, full)):
            assert answer.headers["Deprecation"] == "@1796083200"
            assert answer.headers["Sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
            assert answer.headers["Link"] == f'<{successor}>; rel="successor-version"'
    assert (await anyone.get(f"/v2{old}")).status == 200
    for answer in (await anyone.get("/v2/products"), await anyone.get(new), await sam.post("/products", {})):
        assert not {"Deprecation", "Sunset", "Link"} & set(answer.headers)


@in_both_versions
async def test_an_error_is_never_stored(anyone: Client, products: str) -> None:
    for path, status in ((f"{products}/{new_id()}", 404), (f"{products}/rubbish", 422), (f"{products}?limit=0", 422)):
        answer = await anyone.get(path)
        assert (answer.status, answer.headers["Cache-Control"]) == (status, "no-store")
        assert "ETag" not in answer.headers
