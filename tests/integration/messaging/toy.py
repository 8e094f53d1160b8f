"""Two toy services for tests of the runtime: `cart` publishes, `checkout` consumes and stores effects."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import asyncpg
from pamqp.commands import Basic

from contracts import Money
from contracts.cart import CartCheckedOutV1, Line
from contracts.checkout import OrderPlacedV1
from contracts.naming import MARKETPLACE
from infra.stack import DatabaseUrls, PrivateBroker, PrivatePostgres
from marketplace_runtime.amqp import open_channel, properties_of
from marketplace_runtime.consumer import Subscription
from marketplace_runtime.database import HANDLER_LOCK_TIMEOUT_S, Database, Transaction, is_unavailable, migrate, new_id
from marketplace_runtime.outbox.table import Pending
from marketplace_runtime.service import Messaging
from marketplace_runtime.testing.harness import until
from marketplace_runtime.topology import Wiring, apply, definitions

PASSWORDS = {"cart": "cart-secret", "checkout": "checkout-secret", "catalog": "catalog-secret"}

MIGRATION = """
revision = "0001"
down_revision = None

def upgrade():
    from alembic import op
    op.execute(
        "create table effects"
        " (order_id uuid not null, what text not null, position bigint generated always as identity)"
    )
"""


def a_checkout(order_id: UUID | None = None, *, cents: int = 100) -> CartCheckedOutV1:
    line = Line(product_id=new_id(), quantity=1, unit_price=Money(amount=cents, currency="EUR"))
    return CartCheckedOutV1(
        order_id=order_id or new_id(), customer_id="ada", lines=[line], total=Money(amount=cents, currency="EUR")
    )


def an_order(event: CartCheckedOutV1) -> OrderPlacedV1:
    return OrderPlacedV1(order_id=event.order_id, customer_id=event.customer_id, lines=event.lines, total=event.total)


async def effect(tx: Transaction, order_id: UUID, what: str = "handled") -> None:
    await tx.execute("insert into effects values ($1, $2)", order_id, what)


@dataclass
class Toy:
    broker: PrivateBroker
    postgres: PrivatePostgres
    urls: dict[str, DatabaseUrls]
    cart: Database
    databases: list[Database] = field(default_factory=list)

    def checkout_database(
        self, subscriptions: Sequence[Subscription], *, statement_timeout_s: float = 15.0
    ) -> Database:
        internal_subscriptions = {
            type: each.name
            for each in subscriptions
            for type, reaction in each.reactions.items()
            if reaction.event.internal
        }
        database = Database(
            self.urls["checkout"].app,
            source="checkout",
            naming=MARKETPLACE,
            internal_subscriptions=internal_subscriptions,
            statement_timeout_s=statement_timeout_s,
            lock_timeout_s=HANDLER_LOCK_TIMEOUT_S,
        )
        self.databases.append(database)
        return database

    def messaging(
        self, service: str, database: Database, subscriptions: Sequence[Subscription], clients: Any
    ) -> Messaging:
        return Messaging(
            service=service,
            subscriptions=subscriptions,
            database=database,
            broker_url=self.broker.urls.amqp_of(service, PASSWORDS[service]),
            clients=clients,
        )

    async def declare(self, subscriptions: Sequence[Subscription]) -> None:
        types_by_queue = {each.name: each.types for each in subscriptions if each.types}
        ordered = [each.name for each in subscriptions if each.ordered_by is not None]
        wiring = [Wiring("cart", {}), Wiring("catalog", {}), Wiring("checkout", types_by_queue, ordered)]
        wanted = definitions(wiring, PASSWORDS, MARKETPLACE)
        await apply.declare(self.broker.urls.management, wanted)

    @asynccontextmanager
    async def running(self, *subscriptions: Subscription, clients: Any = None) -> AsyncIterator[Messaging]:
        """Run both services' messaging until the block ends, then shut down gracefully."""
        await self.declare(subscriptions)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.started(self.messaging("cart", self.cart, [], None)))
            checkout = self.messaging("checkout", self.checkout_database(subscriptions), subscriptions, clients)
            yield await stack.enter_async_context(self.started(checkout))

    @asynccontextmanager
    async def started(self, messaging: Messaging) -> AsyncIterator[Messaging]:
        stop = asyncio.Event()
        task = asyncio.create_task(messaging.run(stop))
        try:

            async def ready() -> bool:
                return task.done() or set(messaging.health().values()) == {"ok"}

            await until(ready)
            yield messaging
        finally:
            stop.set()
            await task

    async def publish(self, *events: CartCheckedOutV1) -> list[UUID]:
        """Publish events through cart's outbox, as a service does. Returns their ids."""
        async with self.cart.transaction() as tx:
            return [tx.publish(event) for event in events]

    async def publish_raw(
        self, body: bytes, properties: Basic.Properties, *, type: str = CartCheckedOutV1.type
    ) -> None:
        """Publish as the user `cart`, without the outbox and its checks."""
        connection = await aio_pika.connect(self.broker.urls.amqp_of("cart", PASSWORDS["cart"]))
        async with connection:
            channel = await open_channel(connection, confirms=True)
            await channel.basic_publish(body, exchange="cart.events", routing_key=type, properties=properties)

    async def publish_again(self, id: UUID) -> None:
        """Publish an event of cart's outbox again, as a relay does that missed the confirm."""
        async with self.cart.transaction() as tx:
            [row] = await tx.execute(
                "select 0, event_id, type, subject, at, traceparent, causation_id, body"
                " from messaging.outbox where event_id = $1",
                id,
            )
        pending = Pending(*row)
        await self.publish_raw(pending.body, properties_of(pending.envelope("cart"), user="cart"))

    async def rows(self, statement: str, *values: Any, service: str = "checkout") -> list[tuple[Any, ...]]:
        database = self.cart if service == "cart" else self.databases[-1]
        while True:
            try:
                async with database.transaction() as tx:
                    return [tuple(row) for row in await tx.execute(statement, *values)]
            except Exception as error:
                if not is_unavailable(error):
                    raise
                await asyncio.sleep(0.05)

    async def effects(self) -> list[tuple[UUID, str]]:
        return await self.rows("select order_id, what from effects order by order_id, what")

    async def dead(self) -> list[tuple[Any, ...]]:
        return await self.rows("select subscription, reason, attempts, error from messaging.dead_letters order by id")

    async def until_effects(self, number: int) -> None:
        async def there() -> bool:
            return len(await self.effects()) >= number

        await until(there)

    async def until_dead(self, number: int) -> None:
        async def there() -> bool:
            return len(await self.dead()) >= number

        await until(there)

    async def until_idle(self) -> None:
        """Wait until queues, outboxes and schedule are empty."""

        async def idle() -> bool:
            [(pending,)] = await self.rows("select count(*) from messaging.outbox_pending", service="cart")
            [(scheduled,)] = await self.rows(
                "select (select count(*) from messaging.scheduled) + (select count(*) from messaging.outbox_pending)"
            )
            return pending == scheduled == 0 and await self._queued() == 0

        await until(idle)

    async def _queued(self) -> int:
        connection = await aio_pika.connect(self.broker.urls.amqp)
        async with connection:
            channel = await open_channel(connection, confirms=False)
            found = [await channel.queue_declare(name, passive=True) for name in ("checkout.carts", "checkout.dead")]
            return sum(each.message_count or 0 for each in found)


async def forget_queues(broker: PrivateBroker) -> None:
    connection = await aio_pika.connect(broker.urls.amqp)
    async with connection:
        channel = await open_channel(connection, confirms=False)
        for name in ("checkout.carts", "checkout.dead", "cart.dead", "catalog.dead"):
            await channel.queue_delete(name)


TABLES = (
    *("effects", "messaging.inbox", "messaging.outbox", "messaging.outbox_pending", "messaging.scheduled"),
    *("messaging.claims", "messaging.dead_letters", "messaging.suspects", "messaging.incidents"),
    *("messaging.settled_letters", "messaging.outbox_set_aside", "messaging.history"),
)


async def empty(urls: DatabaseUrls) -> None:
    """Delete the rows under a lock; truncating some dozens of partitions would take half a second."""
    connection = await asyncpg.connect(urls.owner)
    try:
        async with connection.transaction():
            await connection.execute(f"lock table {', '.join(TABLES)}")
            await connection.execute("; ".join(f"delete from {table}" for table in TABLES))
    finally:
        await connection.close()


async def toy_databases(postgres: PrivatePostgres, directory: Path) -> dict[str, DatabaseUrls]:
    """Create databases of `cart` and `checkout` with a table of effects, once for each server."""
    migrations = directory / "migrations"
    (migrations / "versions").mkdir(parents=True)
    (migrations / "versions" / "0001_effects.py").write_text(MIGRATION)
    urls = {service: await postgres.create_database(service) for service in ("cart", "checkout")}
    for each in urls.values():
        await migrate(each.owner, app_url=each.app, migrations=migrations)
    return urls


@asynccontextmanager
async def toy_world(
    broker: PrivateBroker, postgres: PrivatePostgres, urls: dict[str, DatabaseUrls]
) -> AsyncIterator[Toy]:
    """Provide the two services with empty databases and empty queues."""
    await forget_queues(broker)
    for each in urls.values():
        await empty(each)
    cart = Database(urls["cart"].app, source="cart", naming=MARKETPLACE)
    toy = Toy(broker, postgres, urls, cart)
    try:
        yield toy
    finally:
        for database in (cart, *toy.databases):
            await database.close()
