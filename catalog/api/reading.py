"""Anyone reads products, in version 2 of the API, or in the deprecated version 1."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from catalog import store
from catalog.api.responses import ProductOut, PublicProduct
from catalog.domain import Product
from marketplace_runtime.database import Transaction
from marketplace_runtime.http import (
    CachePolicy,
    Cursor,
    Deprecation,
    NotFound,
    Page,
    PageSize,
    Router,
    Tx,
    cached,
    deprecated,
)

router = Router(tags=["products"])

PRODUCTS = CachePolicy(fresh_s=5, stale_while_revalidate_s=30, stale_if_error_s=86_400)
"""A price on a page may be 35 s old: nobody pays more than the price that the cart showed. While the catalog is away,
people can browse for a day; whether something is in stock is decided when they order."""

SINCE, SUNSET = date(2026, 12, 1), date(2027, 7, 1)


@dataclass(frozen=True)
class Selection:
    """The products that a request selects: those of one page, and the first of the next one, if there is one."""

    products: list[Product]
    limit: int


async def _select(
    tx: Tx,
    *,
    search: Annotated[
        str | None, Query(max_length=200, description="words in the name, in upper or lower case")
    ] = None,
    category: Annotated[str | None, Query(max_length=64)] = None,
    discontinued: Annotated[bool, Query(description="include discontinued products")] = False,
    cursor: Cursor[UUID] = None,
    limit: PageSize = 20,
) -> Selection:
    found = await store.page_of_products(
        tx, words=search, category=category, discontinued=discontinued, after=cursor, limit=limit + 1
    )
    return Selection(list(found), limit)


Selected = Annotated[Selection, Depends(_select)]


@router.get("/v2/products")
@cached(PRODUCTS)
async def list_public_products(selected: Selected) -> Page[PublicProduct]:
    """List products, oldest first."""
    products = [PublicProduct.of(product) for product in selected.products]
    return Page[PublicProduct].of(products, selected.limit, key=lambda product: product.product_id)


@router.get("/v2/products/{product_id}")
@cached(PRODUCTS)
async def get_public_product(product_id: UUID, tx: Tx) -> PublicProduct:
    """Return one product, also if it is discontinued."""
    return PublicProduct.of(await _product(product_id, tx))


@router.get("/products")
@cached(PRODUCTS)
@deprecated(Deprecation(SINCE, SUNSET, successor="/v2/products"))
async def list_products(selected: Selected) -> Page[ProductOut]:
    """List products, oldest first."""
    products = [ProductOut.of(product) for product in selected.products]
    return Page[ProductOut].of(products, selected.limit, key=lambda product: product.product_id)


@router.get("/products/{product_id}")
@cached(PRODUCTS)
@deprecated(Deprecation(SINCE, SUNSET, successor="/v2/products/{product_id}"))
async def get_product(product_id: UUID, tx: Tx) -> ProductOut:
    """Return one product, also if it is discontinued."""
    return ProductOut.of(await _product(product_id, tx))


async def _product(product_id: UUID, tx: Transaction) -> Product:
    """Return the product. Raises `NotFound` if there is none."""
    product = await tx.peek(Product, product_id)
    if product is None:
        raise NotFound("There is no such product.")
    return product
