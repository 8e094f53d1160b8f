"""Runs `checkout` with an early and a late subscription, as a process that can be killed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess

import aio_pika
import uvloop

from contracts.cart import CartCheckedOutV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.amqp import open_channel
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.database import Database, Transaction
from marketplace_runtime.replay.table import Replay
from marketplace_runtime.replay.table import find as find_replays
from marketplace_runtime.service import Messaging
from marketplace_runtime.telemetry import configure_logging
from tests.integration.messaging.crash.world import processes
from tests.integration.messaging.toy import PASSWORDS, Toy, effect

LATE = "late"


def storing(what: str) -> Callable[[CartCheckedOutV1, Transaction], Awaitable[None]]:
    """Return a handler that stores `what` and the price of each event."""

    async def keep(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, f"{what} {event.total.amount}")

    return keep


EARLY = subscription("carts", on(CartCheckedOutV1, storing("early")))
FILLED = subscription(LATE, on(CartCheckedOutV1, storing(LATE)), history="first")
LIVE = subscription(LATE, on(CartCheckedOutV1, storing(LATE)))
"""A subscription that is live at once and gets no replay unless an operator requests it."""


@dataclass(frozen=True)
class Orders:
    """The servers' addresses, and after how many events to die, if at all."""

    database: str
    broker: str
    die_after: int | None = None
    rate: int = 1000


def main(orders: Orders) -> None:
    configure_logging("checkout", format="console", level="INFO")
    uvloop.run(_run(orders))


async def _run(orders: Orders) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    handled = 0

    async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
        nonlocal handled
        handled += 1
        if handled == orders.die_after or event.customer_id == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        await storing(LATE)(event, tx)

    database = Database(orders.database, source="checkout", naming=MARKETPLACE)
    messaging = Messaging(
        service="checkout",
        subscriptions=[EARLY, subscription(LATE, on(CartCheckedOutV1, handle, attempts=2), history="first")],
        database=database,
        broker_url=orders.broker,
        clients=None,
        replay_rate=orders.rate,
    )
    await messaging.run(stop)
    await database.close()


def a_process(toy: Toy, *, die_after: int | None = None, rate: int = 1000) -> ForkServerProcess:
    """Start the service with both subscriptions as a process."""
    broker = toy.broker.urls.amqp_of("checkout", PASSWORDS["checkout"])
    orders = Orders(toy.urls["checkout"].app, broker, die_after, rate)
    process = processes.Process(target=main, args=(orders,), daemon=True)
    process.start()
    return process


@asynccontextmanager
async def without_history(toy: Toy) -> AsyncIterator[Toy]:
    """Provide an empty log stream, and empty it afterwards."""
    await forget(toy, MARKETPLACE.log_stream, f"checkout.{LATE}")
    await toy.declare([EARLY])
    toy.checkout_database([EARLY])
    yield toy
    await forget(toy, f"checkout.{LATE}")


async def forget(toy: Toy, *queues: str) -> None:
    """Delete queues with their messages."""
    connection = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection:
        channel = await open_channel(connection, confirms=False)
        for queue in queues:
            await channel.queue_delete(queue)


async def replay_of(toy: Toy, table: Subscription = LIVE) -> Replay | None:
    """Return the latest replay to a subscription."""
    async with toy.databases[-1].transaction() as tx:
        found = await find_replays(tx, [table.name])
    return found[0] if found else None


async def handled_by(toy: Toy, what: str) -> list[tuple[str, str]]:
    """Return order and price of every event that a subscription handled, in the order of handling."""
    rows = await toy.rows("select order_id, what from effects where what like $1 order by position", f"{what} %")
    return [(str(order), str(text).partition(" ")[2]) for order, text in rows]


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
