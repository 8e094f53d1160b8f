"""Loads the order of an event."""

from datetime import timedelta
from uuid import UUID

from checkout.domain import Order
from marketplace_runtime.consumer import RetryLater
from marketplace_runtime.database import Transaction

MISSING_ROW_RETRY_INTERVAL, MISSING_ROW_TIME_LIMIT = timedelta(seconds=1), timedelta(days=1)
"""Retry interval of an event whose order does not exist yet, and the time until it is dead-lettered."""


async def order_of(tx: Transaction, order_id: UUID) -> Order:
    """Return the order, locked. Raises `RetryLater` if it does not exist yet: CartCheckedOut may arrive later."""
    order = await tx.get(Order, order_id)
    if order is None:
        raise RetryLater(MISSING_ROW_RETRY_INTERVAL, give_up_after=MISSING_ROW_TIME_LIMIT)
    return order
