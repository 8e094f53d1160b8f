"""Provides a handler whose bug a test can fix."""

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.database import Transaction
from marketplace_runtime.scheduler.retry_policy import Reject
from tests.integration.messaging.toy import effect


class Bug:
    """A handler that rejects some events until a test fixes it."""

    def __init__(self) -> None:
        self.present = True
        self.runs = 0

    async def handle(self, event: CartCheckedOutV1, tx: Transaction) -> None:
        self.runs += 1
        if self.present:
            raise Reject(f"order {event.order_id} costs {event.total.amount}")
        await effect(tx, event.order_id, str(event.total.amount))

    @property
    def table(self) -> Subscription:
        return subscription("carts", on(CartCheckedOutV1, self.handle))
