"""Defines the tables of the catalog, their mapping to domain objects, and all queries."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Dialect,
    Enum,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import composite, registry

from catalog.domain import Price, Product, Reservation, State, Stock
from contracts.catalog import ReservationDueV1
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from marketplace_runtime.database import Transaction

OrderEvent = OrderPlacedV1 | OrderConfirmedV1 | OrderCancelledV1 | ReservationDueV1


class Quantities(TypeDecorator[dict[UUID, int]]):
    """Stores units by product as a JSON object. Replace the dict to change it: changes in place are not saved."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: dict[UUID, int] | None, dialect: Dialect) -> Any:
        return value and {str(product): units for product, units in value.items()}

    def process_result_value(self, value: Any, dialect: Dialect) -> dict[UUID, int] | None:
        return value and {UUID(product): units for product, units in value.items()}


metadata = MetaData()
products = Table(
    "products",
    metadata,
    Column("product_id", Uuid, primary_key=True),
    Column("seller_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_words", TSVECTOR, Computed("to_tsvector('simple', name)", persisted=True)),
    Column("category", Text, nullable=False),
    Column("price_amount", BigInteger, nullable=False),
    Column("price_currency", String(3), nullable=False),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("low_stock_threshold", Integer, nullable=False),
    Column("low_stock_said", Boolean, nullable=False),
    Column("discontinued", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("reserved >= 0", name="products_reserved_not_negative"),
    CheckConstraint("on_hand >= reserved", name="products_not_oversold"),
    Index("products_by_word", "name_words", postgresql_using="gin"),
    Index("products_by_category", "category", "product_id"),
)
reservations = Table(
    "reservations",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column(
        "state",
        Enum(State, native_enum=False, length=16, values_callable=lambda states: [state.value for state in states]),
        nullable=False,
    ),
    Column("lines", Quantities, nullable=False),
)

mapping = registry(metadata=metadata)
mapping.map_imperatively(
    Product,
    products,
    exclude_properties=["name_words"],
    properties={"price": composite(Price, products.c.price_amount, products.c.price_currency)},
)
mapping.map_imperatively(Reservation, reservations)


async def load_reservations_and_products(events: Sequence[OrderEvent], tx: Transaction) -> None:
    """Lock and load what a batch needs in two statements: first reservations, then products, each in order of ids."""
    orders = [event.order_id for event in events]
    await tx.preload(Reservation, orders)
    product_ids = {line.product_id for event in events if isinstance(event, OrderPlacedV1) for line in event.lines}
    for order in orders:
        reservation = await tx.get(Reservation, order)
        product_ids.update(reservation.lines if reservation else ())
    await tx.preload(Product, product_ids)


async def stock_of(tx: Transaction, product_ids: Iterable[UUID]) -> Stock:
    """Return the products with these ids, locked. Ids that don't exist are left out."""
    wanted = set(product_ids)
    await tx.preload(Product, wanted)
    found = {product_id: await tx.get(Product, product_id) for product_id in wanted}
    return {product_id: product for product_id, product in found.items() if product is not None}


async def page_of_products(
    tx: Transaction,
    *,
    words: str | None,
    category: str | None,
    discontinued: bool,
    after: UUID | None,
    limit: int,
) -> Sequence[Product]:
    """Return up to `limit` products after id `after`, in the order of their listing.

    With `words`, only those whose name contains all of them, in upper or lower case. Discontinued ones only if
    `discontinued`.
    """
    query = select(Product).order_by(products.c.product_id).limit(limit)
    if words:
        query = query.where(products.c.name_words.op("@@")(func.plainto_tsquery("simple", words)))
    if category:
        query = query.where(products.c.category == category)
    if not discontinued:
        query = query.where(products.c.discontinued.is_(False))
    if after:
        query = query.where(products.c.product_id > after)
    return (await tx.session.scalars(query)).all()
