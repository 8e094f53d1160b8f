"""Loads the order that an event is about."""

from datetime import timedelta
from uuid import UUID

from checkout.domain import Order
from marketplace_runtime.consumer import RetryLater
from marketplace_runtime.database import Transaction

UNHEARD_OF, MISSING_FOR = timedelta(seconds=1), timedelta(days=1)
"""How soon an event looks again for the order that it is about, and when it gives up."""


async def order_of(tx: Transaction, order_id: UUID) -> Order:
    """Return the order, locked. Raises `RetryLater` while it is not known here: its event may come later."""
    order = await tx.get(Order, order_id)
    if order is None:
        raise RetryLater(UNHEARD_OF, give_up_after=MISSING_FOR)
    return order
