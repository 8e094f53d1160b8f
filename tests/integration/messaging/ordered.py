"""Provides ordered subscriptions, and a replica of their service that can be killed."""

import asyncio
import os
import random
import signal
from collections import Counter, defaultdict
from functools import partial
from multiprocessing.context import ForkServerProcess
from uuid import UUID

import uvloop

from contracts.cart import CartCheckedOutV1
from contracts.naming import MARKETPLACE
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.database import Database, Transaction, new_id
from marketplace_runtime.scheduler import key_queue
from marketplace_runtime.scheduler.retry_policy import Reject
from marketplace_runtime.service import Messaging
from marketplace_runtime.telemetry import configure_logging
from tests.integration.messaging.crash.steps import Point, When, kill_at
from tests.integration.messaging.crash.world import processes
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, effect, until

FAILS, SHAKY, KILLS, SLOW = "fails-now-and-then", "shaky", "kills", "slow"
runs = Counter[int]()


def ordered(handle: object, attempts: int = 1000) -> Subscription:
    """Return a subscription ordered by order id: `handle` gets each order's events one after the other."""
    return subscription("carts", on(CartCheckedOutV1, handle, attempts=attempts), ordered_by="order_id")


async def note(event: CartCheckedOutV1, tx: Transaction) -> None:
    """Record an event's number. Some events fail at random before or after, or at first; one kills, one is slow."""
    runs[event.total.amount] += 1
    if event.customer_id == SHAKY and runs[event.total.amount] < 5:  # twice in a batch and twice alone
        raise LookupError("not yet")
    if event.customer_id == KILLS:
        os.kill(os.getpid(), signal.SIGKILL)
    if event.customer_id == SLOW:
        await asyncio.sleep(2)
    fails = event.customer_id == FAILS and random.random() < 0.2
    if fails and random.random() < 0.5:
        raise LookupError("before")
    await effect(tx, event.order_id, str(event.total.amount))
    if fails:
        raise LookupError("after")


async def numbers(toy: Toy) -> dict[UUID, list[int]]:
    """Return the numbers of each order's events, in the order of handling."""
    found: defaultdict[UUID, list[int]] = defaultdict(list)
    for order, what in await toy.rows("select order_id, what from effects order by position"):
        found[order].append(int(what))
    return found


def replica(toy: Toy, point: str | None = None, when: When = "before") -> ForkServerProcess:
    """Start a process that runs `ordered(note)`; it is killed at a function of the key queue, or from outside."""
    broker = toy.broker.urls.amqp_of("checkout", PASSWORDS["checkout"])
    process = processes.Process(target=_main, args=(toy.urls["checkout"].app, broker, point, when), daemon=True)
    process.start()
    return process


def _main(database: str, broker: str, point: str | None, when: When) -> None:
    if point is not None:
        kill_at(Point(key_queue, point, {}), when, 1)
    configure_logging("checkout", format="console", level="ERROR")
    uvloop.run(_run(database, broker))


async def _run(url: str, broker: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(url, source="checkout", naming=MARKETPLACE)
    messaging = Messaging(
        service="checkout", subscriptions=[ordered(note)], database=database, broker_url=broker, clients=None
    )
    await messaging.run(stop)
    await database.close()


PARKED = "select count(*) from messaging.scheduled where due is null and not dead"


async def parked(toy: Toy, number: int) -> bool:
    return await toy.rows(PARKED) == [(number,)]


async def has_handled(toy: Toy, wanted: dict[UUID, list[int]]) -> bool:
    return await numbers(toy) == wanted


class Picky:
    """A handler that rejects one event until `willing`, with the ids of two orders."""

    def __init__(self) -> None:
        self.order, self.other, self.willing = new_id(), new_id(), False

    async def __call__(self, event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, str(event.total.amount))
        if (event.order_id, event.total.amount) == (self.order, 1) and not self.willing:
            raise Reject("this one never")

    async def until_dead(self, toy: Toy) -> UUID:
        """Publish five events of each order, and wait until the first is dead-lettered. Returns its id."""
        [first, *_] = await toy.publish(*(a_checkout(self.order, cents=number) for number in range(1, 6)))
        await toy.publish(*(a_checkout(self.other, cents=number) for number in range(1, 6)))
        await toy.until_dead(1)
        await until(partial(has_handled, toy, {self.other: [1, 2, 3, 4, 5]}))
        await until(partial(parked, toy, 4))
        return first
