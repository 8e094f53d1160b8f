"""Ordered subscriptions under test, and a replica of their service that can be killed."""

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
    """The queue of these tests, by order: `handle` sees each order's events one after the other."""
    return subscription("carts", on(CartCheckedOutV1, handle, attempts=attempts), ordered_by="order_id")


async def note(event: CartCheckedOutV1, tx: Transaction) -> None:
    """Write down an event's number. Some fail at random before or after, or at first; one kills, one takes time."""
    runs[event.total.amount] += 1
    if event.customer_id == SHAKY and runs[event.total.amount] < 5:  # in a batch and alone, twice
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
    """By order, the numbers of its events as they were handled."""
    found: defaultdict[UUID, list[int]] = defaultdict(list)
    for order, what in await toy.rows("select order_id, what from effects order by position"):
        found[order].append(int(what))
    return found


def replica(toy: Toy, point: str | None = None, when: When = "before") -> ForkServerProcess:
    """A started process that runs `ordered(note)`; killed at a function of `parking`, or from outside."""
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
        service="checkout", subscriptions=[ordered(note)], database=database, broker_url=broker, outside=None
    )
    await messaging.run(stop)
    await database.close()


PARKED = "select count(*) from messaging.scheduled where due is null and not dead"


async def parked(toy: Toy, number: int) -> bool:
    return await toy.rows(PARKED) == [(number,)]


async def heard(toy: Toy, wanted: dict[UUID, list[int]]) -> bool:
    return await numbers(toy) == wanted


class Picky:
    """A handler that refuses one event until `willing`; a database and an order to tell about it."""

    def __init__(self) -> None:
        self.order, self.other, self.willing = new_id(), new_id(), False

    async def __call__(self, event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, str(event.total.amount))
        if (event.order_id, event.total.amount) == (self.order, 1) and not self.willing:
            raise Reject("this one never")

    async def until_dead(self, toy: Toy) -> UUID:
        """Say five events of each order, and wait until the first one is dead. Returns its id."""
        [first, *_] = await toy.say(*(a_checkout(self.order, cents=number) for number in range(1, 6)))
        await toy.say(*(a_checkout(self.other, cents=number) for number in range(1, 6)))
        await toy.until_dead(1)
        await until(partial(heard, toy, {self.other: [1, 2, 3, 4, 5]}))
        await until(partial(parked, toy, 4))
        return first
