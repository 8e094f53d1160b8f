"""A failure or duplicate leaves an incident with its reason; a success leaves none."""

from contracts.cart import CartCheckedOutV1
from contracts.checkout import OrderPlacedV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction, new_id, publishes
from marketplace_runtime.service import story_queries
from tests.integration.messaging.toy import Toy, a_checkout, an_order, effect


async def test_failed_attempts_and_duplicates_are_part_of_an_orders_story(toy: Toy) -> None:
    runs = 0

    @publishes(OrderPlacedV1)
    async def stumble(event: CartCheckedOutV1, tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("not yet")
        await effect(tx, event.order_id)
        tx.publish(an_order(event))

    event, other = a_checkout(), a_checkout()
    async with toy.running(subscription("carts", on(CartCheckedOutV1, stumble))):
        [id] = await toy.publish(event)
        await toy.until_effects(1)
        [unharmed] = await toy.publish(other)
        await toy.until_effects(2)
        await toy.publish_again(id)
        await toy.until_idle()
        async with toy.databases[-1].transaction() as tx:
            story = await story_queries.query_story(tx, str(event.order_id), [id])
            nothing = await story_queries.query_story(tx, str(new_id()), [unharmed])

    [said] = story["said"]
    assert (said["type"], said["causation_id"], said["pending"]) == ("checkout.order-placed.v1", id, False)
    assert [(each["subscription"], each["attempt"]) for each in story["handled"]] == [("carts", 2)]
    assert [(each["what"], each["attempt"], each["why"]) for each in story["incidents"]] == [
        ("failed", 1, "ValueError: not yet"),
        ("duplicate", 1, "it was published again, or in another version"),
    ]
    assert story["waiting"] == story["dead"] == []
    assert nothing["incidents"] == []
    assert len(nothing["handled"]) == 1
