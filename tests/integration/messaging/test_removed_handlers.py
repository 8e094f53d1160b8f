"""Scheduled entries whose handler no longer exists are dead-lettered with the reason, not taken again forever."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.consumer.subscriptions import DEFAULT_ATTEMPTS
from marketplace_runtime.database import ScheduleEntry, Transaction, new_id
from marketplace_runtime.scheduler import key_queue
from marketplace_runtime.scheduler.scheduler import UNHANDLED_AFTER
from marketplace_runtime.telemetry import new_traceparent
from tests.integration.messaging.ordered import ordered
from tests.integration.messaging.toy import Toy, a_checkout, effect

LONG_AGO = -UNHANDLED_AFTER - timedelta(minutes=1)
GONE = "subscription 'gone' does not exist in this service any more"


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))


def an_entry(
    name: str, type: str = CartCheckedOutV1.type, delay: timedelta = LONG_AGO, attempt: int = 3
) -> ScheduleEntry:
    event = a_checkout()
    envelope = Envelope(new_id(), type, "cart", event.subject, datetime.now(UTC), new_traceparent())
    return ScheduleEntry(name, envelope, event.model_dump_json().encode(), delay, attempt, why="LookupError: not yet")


async def test_an_entry_without_a_handler_is_dead_lettered_and_the_others_are_handled(toy: Toy) -> None:
    entries = [
        an_entry("gone"),
        an_entry("carts", "cart.cart-checked-out.v9", attempt=DEFAULT_ATTEMPTS),
        an_entry("carts", "cart.cart-lost.v1"),
    ]
    async with toy.checkout_database([TABLE]).transaction() as tx:
        for entry in [*entries, an_entry("carts")]:
            tx.schedule_entry(entry)
    async with toy.running(TABLE):
        await toy.until_effects(1)
        await toy.until_dead(3)
        await toy.until_idle()
    assert sorted(await toy.dead()) == [
        ("carts", "unknown-type", 3, "cart.cart-lost.v1 is not handled by this subscription"),
        (
            "carts",
            "unknown-version",
            DEFAULT_ATTEMPTS,
            "UnknownVersion: cart.cart-checked-out v9 is not understood here, only cart.cart-checked-out.v1",
        ),
        ("gone", "unknown-subscription", 3, GONE),
    ]
    bodies = await toy.rows("select event_id, body from messaging.dead_letters")
    assert {id: bytes(body) for id, body in bodies} == {each.envelope.id: each.body for each in entries}


async def test_an_entry_that_a_newer_replica_may_handle_is_left_to_it(toy: Toy) -> None:
    just_now = timedelta(seconds=-1)
    async with toy.checkout_database([TABLE]).transaction() as tx:
        tx.schedule_entry(an_entry("new", delay=just_now))
        tx.schedule_entry(an_entry("carts", "cart.cart-checked-out.v2", delay=just_now))
        tx.schedule_entry(an_entry("carts"))
    async with toy.running(TABLE):
        await toy.until_effects(1)
        await toy.publish(a_checkout())
        await toy.until_effects(2)
    assert await toy.dead() == []
    left = await toy.rows("select subscription, due < now(), holder from messaging.scheduled order by subscription")
    assert left == [("carts", True, None), ("new", True, None)]


async def test_a_key_of_a_removed_subscription_is_dead_lettered_from_its_head(toy: Toy) -> None:
    head, parked = replace(an_entry("gone"), key="k"), replace(an_entry("gone"), key="k", delay=None)
    async with toy.checkout_database([TABLE]).transaction() as tx:
        await key_queue.append(tx, [head, parked])
    async with toy.running(TABLE):
        await toy.until_dead(1)
    assert await toy.dead() == [("gone", "unknown-subscription", 3, GONE)]
    assert await toy.rows("select event_id, due is null from messaging.scheduled") == [(parked.envelope.id, False)]


async def test_a_head_without_a_handler_blocks_its_key(toy: Toy) -> None:
    table = ordered(handle)
    entries = [
        replace(an_entry("carts", "cart.cart-lost.v1"), key="k"),
        replace(an_entry("carts"), key="k", delay=None),
    ]
    async with toy.checkout_database([table]).transaction() as tx:
        await key_queue.append(tx, entries)
    async with toy.running(table):
        await toy.until_dead(1)
        assert await toy.effects() == []
        async with toy.databases[-1].transaction() as tx:
            await key_queue.remove_dead_heads(tx, "carts", [entries[0].envelope.id])
        await toy.until_effects(1)
        await toy.until_idle()


async def test_parked_events_continue_when_their_subscription_is_no_longer_ordered(toy: Toy) -> None:
    entries = [replace(an_entry("carts"), key="k", delay=None) for _ in range(3)]
    async with toy.checkout_database([TABLE]).transaction() as tx:
        await key_queue.append(tx, entries)
    async with toy.running(TABLE):
        await toy.until_effects(3)
        await toy.until_idle()
