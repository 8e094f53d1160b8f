"""Without failures, one aggregate's events are handled in the order of publication."""

from collections import defaultdict
from uuid import UUID

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.database import Transaction, new_id
from tests.integration.messaging.toy import Toy, a_checkout, effect

AGGREGATES = 20
EVENTS_EACH = 30


def recording(received: defaultdict[UUID, list[int]]) -> Subscription:
    """Return a subscription that records the order of handling; transactions run one after the other."""

    async def note(event: CartCheckedOutV1, tx: Transaction) -> None:
        received[event.order_id].append(event.total.amount)
        await effect(tx, event.order_id)

    return subscription("carts", on(CartCheckedOutV1, note))


async def test_events_of_one_aggregate_are_handled_in_their_order(toy: Toy) -> None:
    received: defaultdict[UUID, list[int]] = defaultdict(list)
    orders = [new_id() for _ in range(AGGREGATES)]
    async with toy.running(recording(received)):
        for number in range(1, EVENTS_EACH + 1):
            await toy.publish(*(a_checkout(order, cents=number) for order in orders))
        await toy.until_effects(AGGREGATES * EVENTS_EACH)
    assert received == {order: list(range(1, EVENTS_EACH + 1)) for order in orders}


async def test_the_events_of_one_transaction_are_published_in_order(toy: Toy) -> None:
    received: defaultdict[UUID, list[int]] = defaultdict(list)
    order = new_id()
    async with toy.running(recording(received)):
        await toy.publish(*(a_checkout(order, cents=number) for number in range(1, 301)))
        await toy.until_effects(300)
    assert received == {order: list(range(1, 301))}
