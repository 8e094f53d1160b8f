"""The work with this project's runtime, as a service would write it."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import uvloop
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.orm import registry

from contracts.cart import CartCheckedOutV1
from contracts.checkout import OrderPlacedV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Database, Transaction, publishes
from marketplace_runtime.service import Messaging
from marketplace_runtime.service.garbage_collection import freeze_heap
from marketplace_runtime.telemetry import configure_logging
from tests.benchmarks.work import SERVICE, SUBSCRIPTION, Assignment, Work

UNBOUNDED = 100_000
"""The rate of a replay, in events per second: too high to limit it."""

metadata = MetaData()

orders = Table(
    "orders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("cents", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("changes", Integer, nullable=False),
)


@dataclass
class Order:
    order_id: UUID
    customer_id: str
    cents: int
    state: str = "placed"
    changes: int = 0


registry(metadata=metadata).map_imperatively(Order, orders)


@publishes(OrderPlacedV1)
async def place(event: CartCheckedOutV1, tx: Transaction) -> None:
    tx.add(Order(event.order_id, event.customer_id, event.total.amount))
    tx.publish(placed(event))


async def load_orders(events: Sequence[CartCheckedOutV1], tx: Transaction) -> None:
    await tx.preload(Order, [event.order_id for event in events])


@publishes(OrderPlacedV1)
async def change(event: CartCheckedOutV1, tx: Transaction) -> None:
    order = await tx.get(Order, event.order_id)
    if order is None:
        raise LookupError(f"no order {event.order_id}")
    order.state = "placed"
    order.changes += 1
    tx.publish(placed(event))


def placed(event: CartCheckedOutV1) -> OrderPlacedV1:
    return OrderPlacedV1(order_id=event.order_id, customer_id=event.customer_id, lines=event.lines, total=event.total)


REACTIONS = {
    Work.INSERT: on(CartCheckedOutV1, place),
    Work.UPDATE: on(CartCheckedOutV1, change, load=load_orders),
}


async def main(given: Assignment) -> None:
    configure_logging(SERVICE, format="json", level="warning")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(given.database_url, source=SERVICE, naming=MARKETPLACE)
    messaging = Messaging(
        service=SERVICE,
        subscriptions=[subscription(SUBSCRIPTION, REACTIONS[given.work], history="first" if given.history else None)],
        database=database,
        broker_url=given.broker_url,
        clients=None,
        replay_rate=UNBOUNDED,
    )
    freeze_heap()
    await messaging.run(stop)
    await database.close()


if __name__ == "__main__":
    uvloop.run(main(Assignment.given()))
