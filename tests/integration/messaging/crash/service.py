"""The service of the killed process: `checkout`, with one reaction of each kind.

A checked-out cart is placed: an effect, an event, a deadline. Some fail on purpose: `shaky` ones the first time
that a process runs them, `doomed` ones always. An abandoned cart leads to an external call.
`poison` kills its process; where an event carries only an id, `marked` makes that id deadly.
"""

import os
import signal
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.cart import CartAbandonedV1, CartCheckedOutV1
from contracts.checkout import OrderPlacedV1, PaymentDueV1
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.database import Transaction, publishes
from marketplace_runtime.scheduler.retry_policy import Reject
from tests.integration.messaging.toy import an_order, effect

DEADLINE = timedelta(seconds=0.1)
DEADLY = 2**32 - 1
FAILURES = 2
"""How often a shaky event fails in each process: once in its batch and once alone, before its retry is scheduled."""

runs = Counter[UUID]()


def marked(id: UUID) -> UUID:
    """Return a form of `id` that kills the process of its deadline or external call."""
    return UUID(int=id.int | DEADLY)


def kill_if_marked(id: UUID) -> None:
    if id.int & DEADLY == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)


@publishes(OrderPlacedV1)
async def place(event: CartCheckedOutV1, tx: Transaction) -> None:
    if event.customer_id == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    if event.customer_id == "doomed":
        raise Reject("never")
    runs[event.order_id] += 1
    if event.customer_id == "shaky" and runs[event.order_id] <= FAILURES:
        raise LookupError("not yet")
    await effect(tx, event.order_id, "placed")
    tx.publish(an_order(event))
    tx.schedule(PaymentDueV1(order_id=event.order_id), after=DEADLINE)
    tx.session.info["placed"] = True


async def payment_due(event: PaymentDueV1, tx: Transaction) -> None:
    kill_if_marked(event.order_id)
    await effect(tx, event.order_id, "due")
    tx.session.info["due"] = True


async def prepare(event: CartAbandonedV1, tx: Transaction) -> UUID:
    await effect(tx, event.product_ids[0], "prepared")
    tx.session.info["prepared"] = True
    return event.product_ids[0]


async def make_call(about: UUID, clients: Any) -> str:
    """Write a row outside the transaction, so that a rollback keeps it."""
    kill_if_marked(about)
    await clients.execute("insert into effects values ($1, 'asked')", about)
    return "yes"


async def record(event: CartAbandonedV1, answer: str, tx: Transaction) -> None:
    await effect(tx, event.product_ids[0], f"answered {answer}")
    tx.session.info["recorded"] = True


def table() -> Subscription:
    """Build the subscription late, so that it uses functions that a crash point has wrapped."""
    return subscription(
        "carts",
        on(CartCheckedOutV1, place),
        on(PaymentDueV1, payment_due),
        on(CartAbandonedV1, prepare=prepare, call=make_call, record=record),
    )
