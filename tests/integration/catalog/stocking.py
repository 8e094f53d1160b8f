"""Stores products in a real database, and builds orders for them."""

import asyncio
import random
from collections.abc import Sequence
from uuid import UUID

from catalog import handlers, store
from catalog.domain import Price
from contracts import Money
from contracts.cart import Line
from contracts.checkout import CancellationReason, OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from marketplace_runtime.database import Database, new_id
from tests.integration.catalog.receiving import receive
from tests.integration.one_service import published_events

EUR = Price(100, "EUR")


async def listed(database: Database, *on_hand: int, name: str = "Oak table", category: str = "tables") -> list[UUID]:
    async with database.transaction() as tx:
        products = [
            await handlers.list_product(
                tx,
                seller_id="sam",
                name=name,
                category=category,
                price=EUR,
                on_hand=count,
                low_stock_threshold=0,
            )
            for count in on_hand
        ]
        return [product.product_id for product in products]


def placed(units: dict[UUID, int], *, amount: int = 100) -> OrderPlacedV1:
    price = Money(amount=amount, currency="EUR")
    return OrderPlacedV1(
        order_id=new_id(),
        customer_id="ann",
        lines=[Line(product_id=product, quantity=count, unit_price=price) for product, count in units.items()],
        total=Money(amount=amount * sum(units.values()), currency="EUR"),
    )


def confirmed(order: OrderPlacedV1) -> OrderConfirmedV1:
    return OrderConfirmedV1.model_validate(order.model_dump())


def cancelled(order: OrderPlacedV1) -> OrderCancelledV1:
    return OrderCancelledV1(order_id=order.order_id, customer_id="ann", reason=CancellationReason.CUSTOMER)


async def stock(database: Database, products: Sequence[UUID]) -> list[tuple[int, int]]:
    async with database.transaction() as tx:
        found = await store.stock_of(tx, products)
        return [(found[product].on_hand, found[product].reserved) for product in products]


async def race(database: Database) -> None:
    """Assert that batches of orders that race for few units neither oversell them nor deadlock."""
    chance = random.Random(7)
    products = await listed(database, *[20] * 8)
    orders = [placed({product: chance.randint(1, 3) for product in chance.sample(products, 4)}) for _ in range(120)]
    batches = [orders[index::12] for index in range(12)]

    async with asyncio.timeout(30):
        await asyncio.gather(*(receive(database, *batch) for batch in batches))

    reserved = {UUID(body["order_id"]) for type, body in await published_events(database) if type == "stock-reserved"}
    rejected = {UUID(body["order_id"]) for type, body in await published_events(database) if type == "stock-rejected"}
    assert len(reserved) + len(rejected) == len(orders)
    assert rejected, "no order was rejected, so the units did not run out"
    held = dict.fromkeys(products, 0)
    for order in orders:
        if order.order_id in reserved:
            for line in order.lines:
                held[line.product_id] += line.quantity
    assert await stock(database, products) == [(20, held[product]) for product in products]
    assert all(count <= 20 for count in held.values())
