"""One aggregate's events are heard in the order in which they were said, while nothing fails."""

from collections import defaultdict

from contracts.cart import CartCheckedOutV1
from infra.messaging import on, subscription
from infra.storage import Transaction, new_id
from tests.integration.messaging.toy import Toy, a_checkout, effect

AGGREGATES = 20
EACH = 30


async def note(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id, str(event.total.amount))


async def test_events_of_one_aggregate_are_handled_in_their_order(toy: Toy) -> None:
    orders = [new_id() for _ in range(AGGREGATES)]
    async with toy.running(subscription("carts", on(CartCheckedOutV1, note))):
        for number in range(1, EACH + 1):
            await toy.say(*(a_checkout(order, cents=number) for order in orders))
        await toy.until_effects(AGGREGATES * EACH)
    heard = defaultdict(list)
    for order, number in await toy.rows("select order_id, what::int from effects order by ctid"):
        heard[order].append(number)
    assert heard == {order: list(range(1, EACH + 1)) for order in orders}


async def test_one_transaction_says_its_events_in_their_order(toy: Toy) -> None:
    order = new_id()
    async with toy.running(subscription("carts", on(CartCheckedOutV1, note))):
        await toy.say(*(a_checkout(order, cents=number) for number in range(1, 301)))
        await toy.until_effects(300)
    heard = [number for (number,) in await toy.rows("select what::int from effects order by ctid")]
    assert heard == list(range(1, 301))
