"""Republished events keep their ids and each aggregate's order, and have no second effect."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import partial

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction, new_id, time_of
from marketplace_runtime.outbox import republishing
from tests.integration.messaging.published_messages import receiving
from tests.integration.messaging.toy import Toy, a_checkout, effect, until

EARLY = timedelta(hours=1)


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))


async def queue_all_again(toy: Toy, *, chunk: int, since: datetime | None = None) -> int:
    """Queue chunk after chunk, as the command line does. Returns how many events were queued."""
    now, events, after = datetime.now(UTC), 0, None
    while True:
        async with toy.cart.transaction() as tx:
            queued = await republishing.queue_again(tx, since=since or now - EARLY, until=now, after=after, chunk=chunk)
        events += queued.events
        after = queued.after
        if after is None:
            return events


async def _is_past(moment: datetime) -> bool:
    return time_of(new_id()) > moment


async def pending(toy: Toy) -> int:
    [(number,)] = await toy.rows("select count(*) from messaging.outbox_pending", service="cart")
    return int(number)


async def test_republished_events_arrive_in_order_and_change_nothing(toy: Toy) -> None:
    orders = [new_id() for _ in range(7)]
    async with toy.running(TABLE), receiving(toy) as received:
        for number in range(1, 21):
            await toy.publish(*(a_checkout(order, cents=number) for order in orders))
        await toy.until_effects(140)
        await toy.until_idle()
        before = await toy.effects()
        first = list(received)
        received.clear()

        assert await queue_all_again(toy, chunk=9) == 140

        async def all_received() -> bool:
            return len(received) == 140

        await until(all_received)
        await toy.until_idle()
        assert sorted(received) == sorted(first)
        by_aggregate: defaultdict[str, list[int]] = defaultdict(list)
        for subject, number in received:
            by_aggregate[subject].append(number)
        assert set(map(tuple, by_aggregate.values())) == {tuple(range(1, 21))}
        assert await toy.effects() == before
        assert await toy.dead() == []


async def test_a_pending_event_is_not_queued_twice(toy: Toy) -> None:
    await toy.publish(*(a_checkout() for _ in range(5)))
    assert await queue_all_again(toy, chunk=2) == 0
    assert await pending(toy) == 5


async def test_only_events_in_the_time_span_are_republished(toy: Toy) -> None:
    await toy.declare([TABLE])
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        earlier = await toy.publish(*(a_checkout() for _ in range(3)))
        await until(partial(_is_past, time_of(earlier[-1])))
        later = await toy.publish(*(a_checkout() for _ in range(4)))

        async def gone() -> bool:
            return await pending(toy) == 0

        await until(gone)
    assert await queue_all_again(toy, chunk=100, since=time_of(later[0])) == 4
    queued = {id for (id,) in await toy.rows("select event_id from messaging.outbox_pending", service="cart")}
    assert queued == set(later)


async def test_two_versions_of_an_event_stay_together(toy: Toy) -> None:
    [id] = await toy.publish(a_checkout())
    async with toy.cart.transaction() as tx:
        await tx.execute(
            "insert into messaging.outbox select event_id, 'cart.checked-out.v2', subject, at, traceparent,"
            " causation_id, body from messaging.outbox"
        )
        await tx.execute("delete from messaging.outbox_pending")
    assert await queue_all_again(toy, chunk=1) == 2
    assert await toy.rows("select event_id, type from messaging.outbox_pending order by seq", service="cart") == [
        (id, CartCheckedOutV1.type),
        (id, "cart.checked-out.v2"),
    ]


async def test_pending_events_are_counted_up_to_a_position(toy: Toy) -> None:
    await toy.publish(a_checkout(), a_checkout())
    now = datetime.now(UTC)
    async with toy.cart.transaction() as tx:
        queued = await republishing.queue_again(tx, since=now - EARLY, until=now, after=None)
        assert await republishing.count_unconfirmed(tx, queued.last) == 2
    await toy.publish(a_checkout())
    async with toy.cart.transaction() as tx:
        assert await republishing.count_unconfirmed(tx, queued.last) == 2
        assert await republishing.count_unconfirmed(tx, 0) == 0
