"""Catalog and cart run over a real broker; the test publishes in checkout's place."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest

import cart.handlers
import catalog.handlers
from cart.domain import Cart, ProductCopy
from cart.service import SERVICE as CART
from catalog.domain import Price, Product, Reservation, State
from catalog.service import SERVICE as CATALOG
from contracts import Event, Money
from contracts.cart import Line
from contracts.checkout import CancellationReason, OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from contracts.naming import MARKETPLACE
from infra.stack import PrivateBroker, PrivatePostgres
from marketplace_runtime.database import Database, make_partitions, migrate
from marketplace_runtime.service import Messaging, Service
from marketplace_runtime.testing.harness import until
from marketplace_runtime.topology import Wiring, apply, definitions

PASSWORDS = {
    "catalog": "catalog-secret",
    "cart": "cart-secret",
    "checkout": "checkout-secret",
    "delivery": "delivery-secret",
}


@dataclass
class Shop:
    catalog: Database
    cart: Database
    checkout: Database

    async def publish(self, *events: Event) -> None:
        """Publish events as checkout."""
        async with self.checkout.transaction() as tx:
            for event in events:
                tx.publish(event)

    async def offer(self, on_hand: int) -> UUID:
        """List a new product and wait until the cart knows it."""
        async with self.catalog.transaction() as tx:
            product = await catalog.handlers.list_product(
                tx,
                seller_id="sam",
                name="Oak table",
                category="tables",
                price=Price(100, "EUR"),
                on_hand=on_hand,
                low_stock_threshold=0,
            )
        product_id = product.product_id

        async def known() -> bool:
            async with self.cart.transaction() as tx:
                return await tx.peek(ProductCopy, product_id) is not None

        await until(known)
        return product_id

    async def order(self, customer: str, product_id: UUID, quantity: int) -> OrderPlacedV1:
        """Check the customer's cart out, and publish OrderPlaced as checkout."""
        async with self.cart.transaction() as tx:
            await cart.handlers.put_item(tx, customer, product_id, quantity)
            order_id = await cart.handlers.check_out(tx, customer)
        price = Money(amount=100, currency="EUR")
        order = OrderPlacedV1(
            order_id=order_id,
            customer_id=customer,
            lines=[Line(product_id=product_id, quantity=quantity, unit_price=price)],
            total=Money(amount=100 * quantity, currency="EUR"),
        )
        await self.publish(order)
        return order

    async def until_stock(self, product_id: UUID, *, on_hand: int, reserved: int) -> None:
        async def matches() -> bool:
            async with self.catalog.transaction() as tx:
                product = await tx.peek(Product, product_id)
                return product is not None and (product.on_hand, product.reserved) == (on_hand, reserved)

        await until(matches)

    async def until_cart(self, customer: str, counts: dict[UUID, tuple[int, int]]) -> None:
        async def matches() -> bool:
            async with self.cart.transaction() as tx:
                found = await tx.peek(Cart, customer)
                return found is not None and counts == {
                    line.product_id: (line.quantity, line.in_checkout) for line in found.lines.values()
                }

        await until(matches)


@asynccontextmanager
async def messaging(
    service: str, database: Database, broker: PrivateBroker, table: Service | None
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = Messaging(
        service=service,
        subscriptions=table.subscriptions if table else [],
        database=database,
        broker_url=broker.urls.amqp_of(service, PASSWORDS[service]),
        clients=None,
    )
    task = asyncio.create_task(running.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.fixture(scope="module")
async def shop(
    broker: PrivateBroker, postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """Share one shop between all tests: each uses its own customers and product."""
    nothing_to_migrate = tmp_path_factory.mktemp("checkout")
    (nothing_to_migrate / "versions").mkdir()
    databases = {}
    async with AsyncExitStack() as stack:
        wiring = [CATALOG.wiring(), CART.wiring(), Wiring("checkout", {}), Wiring("delivery", {})]
        await apply.declare(broker.urls.management, definitions(wiring, PASSWORDS, MARKETPLACE))
        for name, table in (("catalog", CATALOG), ("cart", CART), ("checkout", None)):
            urls = await postgres.create_database(f"{name}_of_shop")
            await migrate(urls.owner, app_url=urls.app, migrations=table.migrations if table else nothing_to_migrate)
            database = Database(
                urls.app, source=name, internal_subscriptions=table.internal_subscriptions if table else {}
            )
            stack.push_async_callback(database.close)
            async with database.transaction() as tx:
                await make_partitions(tx)
            await stack.enter_async_context(messaging(name, database, broker, table))
            databases[name] = database
        yield Shop(**databases)


async def test_a_purchase_leaves_stock_and_cart_and_a_cancellation_returns_it(shop: Shop) -> None:
    table = await shop.offer(10)
    bought, dropped = await shop.order("ann", table, 2), await shop.order("bob", table, 3)
    await shop.until_stock(table, on_hand=10, reserved=5)
    await shop.until_cart("ann", {table: (2, 2)})

    await shop.publish(
        OrderConfirmedV1.model_validate(bought.model_dump()),
        OrderCancelledV1(order_id=dropped.order_id, customer_id="bob", reason=CancellationReason.CUSTOMER),
    )
    await shop.until_stock(table, on_hand=8, reserved=0)
    await shop.until_cart("ann", {})
    await shop.until_cart("bob", {table: (3, 0)})

    await shop.publish(
        OrderCancelledV1(order_id=bought.order_id, customer_id="ann", reason=CancellationReason.CUSTOMER)
    )
    await shop.until_stock(table, on_hand=10, reserved=0)


async def test_many_customers_racing_for_the_last_units_get_no_more_than_there_are(shop: Shop) -> None:
    table = await shop.offer(7)
    orders = await asyncio.gather(*(shop.order(f"customer-{number}", table, 2) for number in range(20)))

    async def all_answered() -> bool:
        async with shop.catalog.transaction() as tx:
            found = [await tx.peek(Reservation, order.order_id) for order in orders]
            return Counter(each.state for each in found if each) == {State.RESERVED: 3, State.REJECTED: 17}

    await until(all_answered)
    await shop.until_stock(table, on_hand=7, reserved=6)
