"""Products as the HTTP API shows them, in its two versions."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel

from catalog.domain import Availability, Product
from contracts import Money
from contracts.catalog import ProductStatus


class _Response(BaseModel):
    @classmethod
    def of(cls, product: Product) -> Self:
        """Return the fields of `product` that the response has."""
        return cls.model_validate(product, from_attributes=True)


class ProductOut(_Response):
    """A product as its seller sees it. It is also what version 1 shows to anyone."""

    product_id: UUID
    seller_id: str
    name: str
    category: str
    price: Money
    status: ProductStatus
    available: int
    version: int
    """Grows with every published change of the product, except StockRunningLow."""


class PublicProduct(_Response):
    """A product as anyone sees it.

    It has no number of units: that changes with every reservation, so no cache could keep the answer, and it tells
    competitors how much is sold.
    """

    product_id: UUID
    seller_id: str
    name: str
    category: str
    price: Money
    status: ProductStatus
    availability: Availability
    """`low_stock` below the number of units at which the seller is warned; `sold_out` also if it is discontinued."""
    version: int
    """Grows with every published change of the product, except StockRunningLow."""
