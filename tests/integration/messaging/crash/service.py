"""The service that is killed: `checkout`, with one reaction of each kind.

A cart that was checked out is placed: an effect, an event, a deadline. Some fail on purpose: `shaky` ones the
first time that a process runs them, `doomed` ones always. An abandoned cart leads to an outside call.
`poison` kills its process; where an event carries no more than an id, `marked` makes one deadly.
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
"""Of a shaky event in each process: once in its batch, once alone, before it is filed."""

runs = Counter[UUID]()


def marked(id: UUID) -> UUID:
    """`id` as one that kills where a deadline or an outside call meets it."""
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


async def ask(about: UUID, outside: Any) -> str:
    """Leave a trace that no rollback takes away."""
    kill_if_marked(about)
    await outside.execute("insert into effects values ($1, 'asked')", about)
    return "yes"


async def record(event: CartAbandonedV1, answer: str, tx: Transaction) -> None:
    await effect(tx, event.product_ids[0], f"answered {answer}")
    tx.session.info["recorded"] = True


def table() -> Subscription:
    """Looked up late, so that what a crash has wrapped is what runs."""
    return subscription(
        "carts",
        on(CartCheckedOutV1, place),
        on(PaymentDueV1, payment_due),
        on(CartAbandonedV1, prepare=prepare, ask=ask, record=record),
    )
