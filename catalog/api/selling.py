"""Sellers list products, and change their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

import iso4217
from fastapi import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from catalog import handlers
from catalog.api.responses import ProductOut
from catalog.domain import Price, Refused, UnknownProduct
from marketplace_runtime.http import Conflict, NotFound, Router, Seller, Tx

router = Router(tags=["products"])

MAX_UNITS_PER_REQUEST = 1_000_000

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Category = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


CURRENCIES = sorted(each.value for each in iso4217.Currency if each.exponent is not None)
"""Codes of the ISO 4217 currencies that have a minor unit. Prices are counted in minor units."""


def validate_currency(code: str) -> str:
    """Return `code` if it is in `CURRENCIES`. Raises ValueError if it is not."""
    if code not in CURRENCIES:
        suggestion = code.upper() if code.upper() in CURRENCIES else "three capital letters, such as EUR"
        raise ValueError(f"{code} is not an ISO 4217 currency code that prices can use: write {suggestion}.")
    return code


Currency = Annotated[str, AfterValidator(validate_currency), Field(json_schema_extra={"enum": CURRENCIES})]


class Body(BaseModel):
    """Base of request bodies: rejects unknown members and does not convert types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PriceIn(Body):
    """A price in minor units of an ISO 4217 currency: 1999 EUR is 19.99 euros."""

    amount: int = Field(ge=1, le=10**9)
    currency: Currency

    def to_price(self) -> Price:
        return Price(self.amount, self.currency)


class NewProduct(Body):
    name: Name
    category: Category
    price: PriceIn
    on_hand: int = Field(ge=0, le=MAX_UNITS_PER_REQUEST)
    low_stock_threshold: int = Field(default=5, ge=0, le=MAX_UNITS_PER_REQUEST)
    """Units. StockRunningLow is published when fewer are available."""


class NewPrice(Body):
    price: PriceIn


class Restock(Body):
    quantity: int = Field(ge=1, le=MAX_UNITS_PER_REQUEST)


@router.post("/products", status_code=201)
async def create_product(body: NewProduct, seller: Seller, tx: Tx, response: Response) -> ProductOut:
    """List a new product for sale."""
    product = await handlers.list_product(
        tx,
        seller_id=seller.subject,
        name=body.name,
        category=body.category,
        price=body.price.to_price(),
        on_hand=body.on_hand,
        low_stock_threshold=body.low_stock_threshold,
    )
    response.headers["Location"] = f"/products/{product.product_id}"
    return ProductOut.of(product)


@router.post("/products/{product_id}/price")
async def change_price(product_id: UUID, body: NewPrice, seller: Seller, tx: Tx) -> ProductOut:
    """Change the price of a product.

    Orders placed at a lower price, or in another currency, are rejected from now on.
    """
    with translate_refusals():
        price = body.price.to_price()
        return ProductOut.of(await handlers.change_price(tx, product_id, price, seller_id=seller.subject))


@router.post("/products/{product_id}/restock")
async def restock(product_id: UUID, body: Restock, seller: Seller, tx: Tx) -> ProductOut:
    """Add units to the stock on hand."""
    with translate_refusals():
        return ProductOut.of(await handlers.restock(tx, product_id, body.quantity, seller_id=seller.subject))


@router.post("/products/{product_id}/discontinue")
async def discontinue(product_id: UUID, seller: Seller, tx: Tx) -> ProductOut:
    """Stop selling the product for good. Orders that hold a reservation still complete."""
    with translate_refusals():
        return ProductOut.of(await handlers.discontinue(tx, product_id, seller_id=seller.subject))


@contextmanager
def translate_refusals() -> Iterator[None]:
    """Translate `UnknownProduct` into 404 and any other `Refused` into 409."""
    try:
        yield
    except UnknownProduct as refusal:
        raise NotFound(str(refusal)) from refusal
    except Refused as refusal:
        raise Conflict(str(refusal)) from refusal
