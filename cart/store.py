"""Defines the tables of the cart, their mapping to domain objects, and all queries."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import attribute_keyed_dict, composite, registry, relationship

from cart.domain import Cart, Checkout, KnownAddress, Line, Price, ProductCopy, State, Status
from contracts.cart import AbandonmentDueV1
from contracts.catalog import (
    PriceChangedV1,
    ProductDiscontinuedV1,
    ProductListedV1,
    ProductRestockedV1,
    ProductSoldOutV1,
)
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1
from contracts.delivery import AddressErasedV1, AddressRecordedV1
from marketplace_runtime.database import Transaction
from marketplace_runtime.scheduler import is_deadline_lost

ProductEvent = ProductListedV1 | PriceChangedV1 | ProductDiscontinuedV1 | ProductSoldOutV1 | ProductRestockedV1
AddressEvent = AddressRecordedV1 | AddressErasedV1
OrderEvent = OrderConfirmedV1 | OrderCancelledV1
MAX_CARTS_PER_SWEEP = 100
"""Carts that one run of a sweep handles."""


class Quantities(TypeDecorator[dict[UUID, int]]):
    """Stores units by product as a JSON object. Replace the dict to change it: changes in place are not saved."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: dict[UUID, int] | None, dialect: Dialect) -> Any:
        return value and {str(product): units for product, units in value.items()}

    def process_result_value(self, value: Any, dialect: Dialect) -> dict[UUID, int] | None:
        return value and {UUID(product): units for product, units in value.items()}


def enum_text(kind: type[StrEnum]) -> Enum:
    """Return a column type that stores the values of an enumeration as text."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda members: [item.value for item in members])


metadata = MetaData()
products = Table(
    "products",
    metadata,
    Column("product_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("price_amount", BigInteger, nullable=False),
    Column("price_currency", String(3), nullable=False),
    Column("status", enum_text(Status), nullable=False),
    Column("version", BigInteger, nullable=False),
)
addresses = Table(
    "addresses",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("address_id", Uuid),
    Column("revision", BigInteger, nullable=False),
)
carts = Table(
    "carts",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("touched_at", DateTime(timezone=True), nullable=False),
    Column("watched", Boolean, nullable=False),
    Index("carts_watched", "customer_id", postgresql_where=text("watched")),
)
lines = Table(
    "lines",
    metadata,
    Column("customer_id", Text, ForeignKey("carts.customer_id"), primary_key=True),
    Column("product_id", Uuid, primary_key=True),
    Column("quantity", Integer, nullable=False),
    Column("in_checkout", Integer, nullable=False),
    Column("unit_amount", BigInteger, nullable=False),
    Column("unit_currency", String(3), nullable=False),
    CheckConstraint("quantity > 0", name="lines_want_something"),
    CheckConstraint("in_checkout between 0 and quantity", name="lines_check_out_what_they_have"),
)
checkouts = Table(
    "checkouts",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("quantities", Quantities, nullable=False),
    Column("state", enum_text(State), nullable=False),
)

mapping = registry(metadata=metadata)
mapping.map_imperatively(
    ProductCopy,
    products,
    properties={"price": composite(Price, products.c.price_amount, products.c.price_currency)},
)
mapping.map_imperatively(KnownAddress, addresses)
mapping.map_imperatively(
    Line,
    lines,
    properties={"unit_price": composite(Price, lines.c.unit_amount, lines.c.unit_currency)},
)
mapping.map_imperatively(
    Cart,
    carts,
    properties={
        # loaded in a second statement, which sees what was committed while the first waited for the lock
        "lines": relationship(
            Line,
            collection_class=attribute_keyed_dict("product_id"),
            cascade="all, delete-orphan",
            lazy="selectin",
        ),
    },
)
mapping.map_imperatively(Checkout, checkouts)


async def load_products(events: Sequence[ProductEvent], tx: Transaction) -> None:
    """Lock and load the product copies that a batch needs, in one statement."""
    await tx.preload(ProductCopy, [event.product_id for event in events])


async def load_addresses(events: Sequence[AddressEvent], tx: Transaction) -> None:
    """Lock and load the address copies of a batch's customers, in one statement."""
    await tx.preload(KnownAddress, [event.customer_id for event in events])


async def note_no_address(tx: Transaction, customer_id: str) -> None:
    """Record that the customer has no address, unless there is a record about their address."""
    nothing = {"customer_id": customer_id, "address_id": None, "revision": 0}
    await tx.session.execute(insert(addresses).values(nothing).on_conflict_do_nothing())


async def load_checkouts(events: Sequence[OrderEvent], tx: Transaction) -> None:
    """Lock and load what a batch needs in three statements: checkouts, carts, and the lines of the carts."""
    await tx.preload(Checkout, [event.order_id for event in events])
    await tx.preload(Cart, [event.customer_id for event in events])


async def load_carts(events: Sequence[AbandonmentDueV1], tx: Transaction) -> None:
    """Lock and load the carts of a batch, and load their lines."""
    await tx.preload(Cart, [event.customer_id for event in events])


async def cart_of(tx: Transaction, customer_id: str) -> Cart:
    """Return the customer's cart, locked. If there is none, creates an empty one. Concurrent calls create only one."""
    cart = await tx.get(Cart, customer_id)
    if cart is None:
        empty = {"customer_id": customer_id, "touched_at": tx.now, "watched": False}
        await tx.session.execute(insert(carts).values(empty).on_conflict_do_nothing())
        cart = await tx.session.get_one(Cart, customer_id, with_for_update=True)
    return cart


async def carts_with_lost_deadline(tx: Transaction, untouched_since: datetime) -> Sequence[Cart]:
    """Lock and return carts that wait for an abandonment deadline which was lost, at most `MAX_CARTS_PER_SWEEP`."""
    overdue = (
        carts.c.watched,
        carts.c.touched_at < untouched_since,
        is_deadline_lost(AbandonmentDueV1, carts.c.customer_id),
    )
    wanted = select(Cart).where(*overdue).limit(MAX_CARTS_PER_SWEEP).with_for_update(skip_locked=True, of=carts)
    found = (await tx.session.scalars(wanted)).all()
    # checked again, since a deadline may have been scheduled after the statement read the schedule
    return [cart for cart in found if not await tx.is_scheduled(AbandonmentDueV1(customer_id=cart.customer_id))]


async def products_of(tx: Transaction, product_ids: Collection[UUID]) -> dict[UUID, ProductCopy]:
    """Return the known copies of these products by id, not locked."""
    if not product_ids:
        return {}
    found = await tx.session.scalars(select(ProductCopy).where(products.c.product_id.in_(product_ids)))
    return {product.product_id: product for product in found}
