"""Runs checkout alone with a real broker, database and providers; the test publishes for the other services."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import aio_pika
import aiohttp

from checkout import gateways, store
from checkout.domain import Order, Status
from checkout.service import SERVICE
from contracts import Envelope, Event, Money
from contracts.cart import CartCheckedOutV1, Line
from contracts.catalog import StockReservedV1
from contracts.delivery import ShipmentDeliveredV1, ShipmentDispatchedV1
from contracts.naming import MARKETPLACE
from infra.stack import PrivateBroker
from marketplace_runtime.amqp import open_channel, properties_of
from marketplace_runtime.database import Database, new_id
from marketplace_runtime.service import Messaging
from marketplace_runtime.telemetry import new_traceparent
from marketplace_runtime.topology import Wiring, apply, definitions
from tests.integration.outside.outside_process import entries_of, held

E = TypeVar("E", bound=Event)
OTHERS = ("cart", "catalog", "delivery")
PASSWORDS = {name: f"{name}-secret" for name in (*OTHERS, "checkout")}
CUSTOMER = "ada"
ADDRESS = UUID("01930000-0000-7000-8000-0000000000aa")
PRICE = Money(amount=700, currency="EUR")
TOTAL = Money(amount=1400, currency="EUR")


@dataclass
class Marketplace:
    broker: PrivateBroker
    database: Database
    http: aiohttp.ClientSession

    async def publish(self, *events: Event) -> None:
        """Publish as the service that owns the event; each call makes new event ids."""
        for event in events:
            envelope = Envelope(
                id=new_id(),
                type=event.type,
                source=event.publisher,
                subject=event.subject,
                time=datetime.now(UTC),
                traceparent=new_traceparent(),
            )
            url = self.broker.urls.amqp_of(event.publisher, PASSWORDS[event.publisher])
            async with await aio_pika.connect(url) as connection:
                channel = await open_channel(connection, confirms=True)
                await channel.basic_publish(
                    event.model_dump_json().encode(),
                    exchange=f"{event.publisher}.events",
                    routing_key=event.type,
                    properties=properties_of(envelope, user=event.publisher),
                )

    async def place(self, customer: str = CUSTOMER, address_id: UUID | None = ADDRESS) -> UUID:
        """Place an order and publish StockReserved for it. Returns the order's id."""
        order_id = new_id()
        line = Line(product_id=new_id(), quantity=2, unit_price=PRICE)
        await self.publish(
            CartCheckedOutV1(order_id=order_id, customer_id=customer, lines=[line], total=TOTAL, address_id=address_id)
        )
        await self.publish(StockReservedV1(order_id=order_id, expires_at=datetime.now(UTC)))
        return order_id

    async def deliver(self, order_id: UUID) -> None:
        who = {"order_id": order_id, "shipment_id": new_id(), "customer_id": CUSTOMER}
        await self.publish(
            ShipmentDispatchedV1(**who, carrier="a", tracking_code="T1"),
            ShipmentDeliveredV1(**who),
        )

    async def order(self, order_id: UUID) -> Order | None:
        async with self.database.transaction() as tx:
            return await store.order_for_reading(tx, order_id)

    async def until(self, order_id: UUID, condition: Callable[[Order], object], within_s: float = 25) -> Order:
        """Poll the database until the order meets a condition, and return the order."""
        order = None
        try:
            async with asyncio.timeout(within_s):
                while not ((order := await self.order(order_id)) and condition(order)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"still {order}") from None
        return order

    async def until_true(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(25):
            while not await condition():
                await asyncio.sleep(0.05)

    async def events(self, order_id: UUID, kind: type[E]) -> list[E]:
        """Return the events of one class that checkout published about the order."""
        async with self.database.transaction() as tx:
            statement = "select body from messaging.outbox where subject = $1 and type = $2 order by event_id"
            rows = await tx.execute(statement, str(order_id), kind.type)
            return [kind.model_validate_json(body) for (body,) in rows]

    async def until_status(self, order_id: UUID, status: Status) -> Order:
        return await self.until(order_id, lambda order: order.status is status)

    async def history(self, order_id: UUID) -> list[str]:
        async with self.database.transaction() as tx:
            return [entry.type.value for entry in await store.journal_of(tx, order_id)]

    async def published_types(self, order_id: UUID) -> list[str]:
        async with self.database.transaction() as tx:
            statement = "select type from messaging.outbox where subject = $1 order by event_id"
            return [row[0].split(".")[1] for row in await tx.execute(statement, str(order_id))]

    async def held(self, order_id: UUID) -> dict[str, int]:
        """Return the amount that each provider's ledger holds for the order."""
        return {
            provider: held(await entries_of(self.http, f"{order_id}:{provider}", provider=provider))
            for provider in "ab"
        }

    async def dead(self) -> list[Any]:
        async with self.database.transaction() as tx:
            return await tx.execute("select subscription, reason, error from messaging.dead_letters")


@asynccontextmanager
async def running(broker: PrivateBroker, database: Database, http: aiohttp.ClientSession) -> AsyncIterator[Marketplace]:
    """Run checkout's messaging until the block ends."""
    wanted = definitions([*(Wiring(name, {}) for name in OTHERS), SERVICE.wiring()], PASSWORDS, MARKETPLACE)
    await apply.declare(broker.urls.management, wanted)
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(gateways.connect())
        messaging = Messaging(
            service="checkout",
            subscriptions=SERVICE.subscriptions,
            database=database,
            broker_url=broker.urls.amqp_of("checkout", PASSWORDS["checkout"]),
            clients=outside,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(messaging.run(stop))
        try:
            async with asyncio.timeout(20):
                while not task.done() and set(messaging.health().values()) != {"ok"}:
                    await asyncio.sleep(0.02)
            yield Marketplace(broker, database, http)
        finally:
            stop.set()
            await task
