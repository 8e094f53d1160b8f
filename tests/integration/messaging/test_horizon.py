"""Events with ids outside the horizon, for which the inbox has no partition, do not affect other events."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import properties_of
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import ScheduleEntry, Transaction
from marketplace_runtime.scheduler.retry_policy import Reject
from tests.integration.messaging.envelopes import an_envelope
from tests.integration.messaging.toy import Toy, a_checkout, effect


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))
FAILED = "select count(*) from messaging.incidents where what = 'failed'"


async def schedule_events_of_age(toy: Toy, ages: Sequence[int]) -> list[UUID]:
    """Schedule one event of each age, in days. Returns their orders."""
    events = [a_checkout() for _ in ages]
    async with toy.checkout_database([TABLE]).transaction() as tx:
        for event, days in zip(events, ages, strict=True):
            body = event.model_dump_json().encode()
            tx.schedule_entry(
                ScheduleEntry(
                    "carts", an_envelope(event, timedelta(days=days)), body, timedelta(0), attempt=1, why="replay"
                )
            )
    return [each.order_id for each in events]


async def test_a_message_outside_the_horizon_is_dead_lettered_before_its_batch_runs(toy: Toy) -> None:
    good, bad = [a_checkout() for _ in range(20)], [a_checkout() for _ in range(3)]
    transactions = "select count(distinct xmin::text) from effects"
    await toy.declare([TABLE])
    for event, days in [(good[0], 0), (bad[0], 8), (bad[1], 400), (bad[2], -1), *((each, 0) for each in good[1:])]:
        properties = properties_of(an_envelope(event, timedelta(days=days)), user="cart")
        await toy.publish_raw(event.model_dump_json().encode(), properties)
    async with toy.running(TABLE):
        await toy.until_effects(20)
        await toy.until_dead(3)
        assert await toy.rows(transactions) < [(20,)], "the events were run one by one"
    assert {order for order, _ in await toy.effects()} == {each.order_id for each in good}
    assert sorted(reason for _, reason, *_ in await toy.dead()) == ["from-the-future", "too-old", "too-old"]


async def test_a_scheduled_event_older_than_the_horizon_is_handled_once(toy: Toy) -> None:
    """Such an event is a dead letter that is redriven late, or a deadline of months."""
    ages = [0, 0, 8, 400, 0]
    await schedule_events_of_age(toy, ages)
    async with toy.running(TABLE):
        await toy.until_effects(len(ages))
        await toy.until_idle()
    assert len(await toy.effects()) == len(ages)
    assert await toy.rows("select count(*) from messaging.inbox") == [(3,)]
    assert await toy.dead() == []


async def test_an_event_older_than_the_horizon_is_retried_without_a_recorded_incident(toy: Toy) -> None:
    runs: Counter[UUID] = Counter()

    async def stumble(event: CartCheckedOutV1, tx: Transaction) -> None:
        runs[event.order_id] += 1
        if runs[event.order_id] == 1:
            raise ValueError("not yet")
        await effect(tx, event.order_id)

    orders = await schedule_events_of_age(toy, [0, 8, 400])
    async with toy.running(subscription("carts", on(CartCheckedOutV1, stumble), batch=1)):
        await toy.until_effects(len(orders))
        await toy.until_idle()
    assert await toy.effects() == [(each, "handled") for each in sorted(orders)]
    assert await toy.rows(FAILED) == [(1,)]
    assert await toy.dead() == []


async def test_a_rejected_event_outside_the_horizon_becomes_a_dead_letter(toy: Toy) -> None:
    async def refuse(event: CartCheckedOutV1, tx: Transaction) -> None:
        raise Reject("never")

    await schedule_events_of_age(toy, [0, 8, 400, -30])
    async with toy.running(subscription("carts", on(CartCheckedOutV1, refuse, attempts=1))):
        await toy.until_dead(4)
        await toy.until_idle()
    assert Counter(reason for _, reason, *_ in await toy.dead()) == {"rejected": 4}
    assert await toy.rows(FAILED) == [(1,)]


async def test_a_duplicate_in_the_schedule_older_than_the_horizon_is_handled_once(toy: Toy) -> None:
    event = a_checkout()
    body = event.model_dump_json().encode()
    entry = ScheduleEntry(
        "carts", an_envelope(event, timedelta(days=400)), body, timedelta(0), attempt=1, why="ValueError"
    )
    async with toy.checkout_database([TABLE]).transaction() as tx:
        tx.schedule_entry(entry)
        tx.schedule_entry(entry)
    async with toy.running(TABLE):
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.effects() == [(event.order_id, "handled")]
