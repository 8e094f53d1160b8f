"""`checkout` with a subscription that was there from the start, and one that comes late; as a process to be killed."""

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


def keeping(what: str) -> Callable[[CartCheckedOutV1, Transaction], Awaitable[None]]:
    """A handler that keeps what it hears, as `what` and the price."""

    async def keep(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, f"{what} {event.total.amount}")

    return keep


EARLY = subscription("carts", on(CartCheckedOutV1, keeping("early")))
FILLED = subscription(LATE, on(CartCheckedOutV1, keeping(LATE)), history="first")
LIVE = subscription(LATE, on(CartCheckedOutV1, keeping(LATE)))
"""Goes live at once, and has no history unless somebody asks for it."""


@dataclass(frozen=True)
class Orders:
    """Where the servers are; after which event of its own to die, if at all."""

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
    heard = 0

    async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
        nonlocal heard
        heard += 1
        if heard == orders.die_after or event.customer_id == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        await keeping(LATE)(event, tx)

    database = Database(orders.database, source="checkout", naming=MARKETPLACE)
    messaging = Messaging(
        service="checkout",
        subscriptions=[EARLY, subscription(LATE, on(CartCheckedOutV1, handle, attempts=2), history="first")],
        database=database,
        broker_url=orders.broker,
        outside=None,
        replay_rate=orders.rate,
    )
    await messaging.run(stop)
    await database.close()


def a_process(toy: Toy, *, die_after: int | None = None, rate: int = 1000) -> ForkServerProcess:
    """The service with both subscriptions, as a process."""
    broker = toy.broker.urls.amqp_of("checkout", PASSWORDS["checkout"])
    orders = Orders(toy.urls["checkout"].app, broker, die_after, rate)
    process = processes.Process(target=main, args=(orders,), daemon=True)
    process.start()
    return process


@asynccontextmanager
async def without_history(toy: Toy) -> AsyncIterator[Toy]:
    """A log with nothing in it, before and after."""
    await forget(toy, MARKETPLACE.log_stream, f"checkout.{LATE}")
    await toy.declare([EARLY])
    toy.checkout_database([EARLY])
    yield toy
    await forget(toy, f"checkout.{LATE}")


async def forget(toy: Toy, *queues: str) -> None:
    """Delete queues with all that is in them."""
    connection = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection:
        channel = await open_channel(connection, confirms=False)
        for queue in queues:
            await channel.queue_delete(queue)


async def replay_of(toy: Toy, table: Subscription = LIVE) -> Replay | None:
    """The latest replay to a subscription."""
    async with toy.databases[-1].transaction() as tx:
        found = await find_replays(tx, [table.name])
    return found[0] if found else None


async def heard(toy: Toy, what: str) -> list[tuple[str, str]]:
    """Order and price of everything that a subscription heard, in the order in which it did."""
    rows = await toy.rows("select order_id, what from effects where what like $1 order by position", f"{what} %")
    return [(str(order), str(text).partition(" ")[2]) for order, text in rows]


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
