"""Messages that arrived before a deadline was due are handled before it, even after an outage of the service."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from contracts.checkout import PaymentDueV1
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.database import ScheduleEntry, Transaction, new_id
from marketplace_runtime.telemetry import new_traceparent
from tests.integration.messaging.toy import Toy, a_checkout, effect, until


async def answer(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id, "answered")


async def expire(event: PaymentDueV1, tx: Transaction) -> None:
    await effect(tx, event.order_id, "expired")


def subscriptions_with_deadline(answered: Any) -> Sequence[Subscription]:
    """Return one subscription for answers and one for their deadlines, as in checkout."""
    return [subscription("carts", answered), subscription("deadlines", on(PaymentDueV1, expire, deadline=True))]


async def schedule_overdue(toy: Toy, tables: Sequence[Subscription], *orders: UUID, since: timedelta) -> None:
    """Schedule a deadline for each order that has been due `since` long ago."""
    async with toy.checkout_database(tables).transaction() as tx:
        for order in orders:
            event = PaymentDueV1(order_id=order)
            envelope = Envelope(new_id(), event.type, "checkout", event.subject, datetime.now(UTC), new_traceparent())
            tx.schedule_entry(
                ScheduleEntry(
                    "deadlines", envelope, event.model_dump_json().encode(), -since, attempt=1, why="deadline"
                )
            )


async def until_queued(toy: Toy, number: int) -> None:
    async def queued() -> bool:
        return await toy._queued() == number

    await until(queued)


async def order_of_effects(toy: Toy) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    for order, what in await toy.rows("select order_id, what from effects order by position"):
        found.setdefault(order, []).append(what)
    return found


async def test_answers_that_arrived_during_an_outage_are_handled_before_their_deadlines(toy: Toy) -> None:
    events = [a_checkout() for _ in range(300)]
    tables = subscriptions_with_deadline(on(CartCheckedOutV1, answer))
    await toy.declare(tables)
    await schedule_overdue(toy, tables, *(each.order_id for each in events), since=timedelta(seconds=1))
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        await toy.publish(*events)
        await until_queued(toy, len(events))
    async with toy.running(*tables):
        await toy.until_effects(2 * len(events))
        await toy.until_idle()
    assert set(map(tuple, (await order_of_effects(toy)).values())) == {("answered", "expired")}


@pytest.mark.slow
async def test_an_answer_that_is_retried_is_handled_before_its_deadline(toy: Toy) -> None:
    """This also holds if it fails after the deadline was due, since it arrived before."""
    failures = 0

    async def stumble(event: CartCheckedOutV1, tx: Transaction) -> None:
        nonlocal failures
        if failures < 4:
            failures += 1
            raise LookupError("not yet")
        await answer(event, tx)

    event, other = a_checkout(), a_checkout()
    tables = subscriptions_with_deadline(on(CartCheckedOutV1, stumble))
    async with toy.running(*tables):
        await toy.publish(event)

        async def failed() -> bool:
            return failures > 0

        await until(failed)
        await schedule_overdue(toy, tables, event.order_id, other.order_id, since=timedelta(0))
        await toy.until_effects(3)
        await toy.until_idle()
    effects = await order_of_effects(toy)
    assert effects == {event.order_id: ["answered", "expired"], other.order_id: ["expired"]}


async def prepare(event: CartCheckedOutV1, _: Transaction) -> UUID:
    return event.order_id


async def record(event: CartCheckedOutV1, _: Any, tx: Transaction) -> None:
    await answer(event, tx)


@pytest.mark.slow
@pytest.mark.parametrize("recovers", [True, False], ids=["recovers", "stays away"])
async def test_a_call_that_failed_is_made_once_more_before_its_deadline(toy: Toy, recovers: bool) -> None:
    """An outage of the service loses no order, and a provider that stays down does not keep the order open."""
    calls: list[UUID] = []
    away = asyncio.Event()

    async def make_call(request: UUID, _: Any) -> None:
        calls.append(request)
        if not (away.is_set() and recovers):
            raise OSError("the provider is away")

    event = a_checkout()
    tables = subscriptions_with_deadline(
        on(CartCheckedOutV1, prepare=prepare, call=make_call, record=record, attempts=None)
    )
    async with toy.running(*tables):
        await toy.publish(event)

        async def called() -> bool:
            return len(calls) > 0 and await toy.rows("select count(*) from messaging.scheduled") == [(1,)]

        await until(called)
    # The service is down. Meanwhile the call and then the deadline become due, and the provider may be back.
    await toy.rows("update messaging.scheduled set due = now() - interval '2 s' returning 1")
    await schedule_overdue(toy, tables, event.order_id, since=timedelta(seconds=1))
    away.set()
    before = len(calls)
    async with toy.running(*tables):
        await until(partial(_is_among, toy, "expired"))
        assert len(calls) > before
    assert (await order_of_effects(toy))[event.order_id] == (["answered", "expired"] if recovers else ["expired"])


async def _is_among(toy: Toy, what: str) -> bool:
    return what in {each for _, each in await toy.effects()}


@pytest.mark.slow
async def test_deadlines_wait_while_the_broker_may_hold_their_answers(toy: Toy) -> None:
    event = a_checkout()
    tables = subscriptions_with_deadline(on(CartCheckedOutV1, answer))
    async with toy.running(*tables) as checkout:
        [consumer] = [each for each in checkout.consumers if each.queue == "checkout.carts"]
        original, consumer._receive = consumer._receive, lambda _: None  # incoming messages are not handled
        await toy.publish(event)

        async def there() -> bool:
            return consumer._acknowledgements is not None and consumer._acknowledgements.unacknowledged == 1

        await until(there)
        await schedule_overdue(toy, tables, event.order_id, since=timedelta(0))
        await asyncio.sleep(1.5)  # longer than the schedule's poll
        assert await toy.effects() == []
        consumer._receive = original
        assert consumer._channel is not None
        await consumer._channel.close()  # the message is redelivered
        await toy.until_effects(2)
    assert await order_of_effects(toy) == {event.order_id: ["answered", "expired"]}
