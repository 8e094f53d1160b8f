"""Lists products over HTTP, as a seller does."""

from typing import Any

from tests.integration.catalog.web import Client

PRICE = {"amount": 1999, "currency": "EUR"}
TABLE = {"name": "Oak table", "category": "tables", "price": PRICE, "on_hand": 10}


async def a_product(sam: Client, **changed: Any) -> Any:
    answer = await sam.post("/products", TABLE | changed)
    assert answer.status == 201, answer
    return answer.body
