"""Each event has one effect, through duplicates, failing batches, retries, deadlines and outages."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from contracts.cart import CartCheckedOutV1
from contracts.checkout import OrderPlacedV1, PaymentDueV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.consumer.incidents import MAX_KEPT_ATTEMPTS
from marketplace_runtime.database import Transaction, publishes
from marketplace_runtime.scheduler import retry_policy
from marketplace_runtime.scheduler.retry_policy import Reject, RetryLater
from tests.integration.messaging.toy import Toy, a_checkout, an_order, effect


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


async def test_an_event_has_its_effect_once_and_leads_to_another(toy: Toy) -> None:
    @publishes(OrderPlacedV1)
    async def place(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id)
        tx.publish(an_order(event))

    async with toy.running(subscription("carts", on(CartCheckedOutV1, place))):
        [cause] = await toy.publish(event := a_checkout())
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.effects() == [(event.order_id, "handled")]
    [(causation_id, trace)] = await toy.rows("select causation_id, traceparent from messaging.outbox")
    assert causation_id == cause
    [(root,)] = await toy.rows("select traceparent from messaging.outbox", service="cart")
    assert trace[3:35] == root[3:35], "both belong to one trace"


async def test_a_duplicate_delivery_changes_nothing(toy: Toy) -> None:
    async with toy.running(subscription("carts", on(CartCheckedOutV1, handle))):
        ids = await toy.publish(*(a_checkout() for _ in range(20)))
        await toy.until_effects(20)
        for id in ids:
            await toy.publish_again(id)
        await toy.publish(a_checkout())
        await toy.until_effects(21)
        await toy.until_idle()
    assert len(await toy.effects()) == 21
    assert await toy.dead() == []


async def test_one_bad_event_makes_its_batch_run_again_and_loses_no_other_effect(toy: Toy) -> None:
    bad = a_checkout()

    async def picky(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id)
        if event.order_id == bad.order_id:
            raise Reject("this one never")

    events = [a_checkout() for _ in range(40)]
    events.insert(17, bad)
    async with toy.running(subscription("carts", on(CartCheckedOutV1, picky))):
        await toy.publish(*events)
        await toy.until_effects(40)
        await toy.until_dead(1)
    assert {order for order, _ in await toy.effects()} == {each.order_id for each in events} - {bad.order_id}
    assert await toy.dead() == [("carts", "rejected", 1, "Reject: this one never")]


@pytest.mark.parametrize("ordered_by", [None, "customer_id"])
async def test_an_error_text_that_cannot_be_stored_unchanged_affects_only_its_event(
    toy: Toy, ordered_by: str | None
) -> None:
    async def odd(event: CartCheckedOutV1, tx: Transaction) -> None:
        if event.customer_id == "odd":
            raise LookupError("NUL \0, half a pair \ud800")
        await effect(tx, event.order_id)

    table = subscription("carts", on(CartCheckedOutV1, odd, attempts=2), ordered_by=ordered_by)
    async with toy.running(table):
        await toy.publish(a_checkout().model_copy(update={"customer_id": "odd"}), a_checkout())
        await toy.until_effects(1)
        await toy.until_dead(1)
    [(_, reason, attempts, error)] = await toy.dead()
    assert (reason, attempts, error) == ("attempts-exhausted", 2, "LookupError: NUL \ufffd, half a pair \ufffd")


async def test_a_failing_event_is_retried_and_then_dead_lettered(toy: Toy) -> None:
    runs = Counter[str]()
    good, bad = a_checkout(), a_checkout()

    async def failing(event: CartCheckedOutV1, tx: Transaction) -> None:
        runs[str(event.order_id)] += 1
        if event.order_id == bad.order_id or runs[str(event.order_id)] < 3:
            raise LookupError("not yet")
        await effect(tx, event.order_id)

    async with toy.running(subscription("carts", on(CartCheckedOutV1, failing, attempts=4))):
        await toy.publish(good, bad)
        await toy.until_dead(1)
        await toy.until_idle()
    assert await toy.effects() == [(good.order_id, "handled")]
    assert await toy.dead() == [("carts", "attempts-exhausted", 4, "LookupError: not yet")]
    # a batch that fails is run again, one event at a time, without spending an attempt
    assert runs[str(good.order_id)] in (3, 4)
    assert await toy.rows("select attempt from messaging.inbox") in ([(2,)], [(3,)])


async def test_an_error_text_that_the_database_refuses_does_not_prevent_retry_and_dead_letter(toy: Toy) -> None:
    """An external system sent such an answer, and a gateway's error quotes it."""

    async def quote(event: CartCheckedOutV1, tx: Transaction) -> None:
        raise LookupError("carrier said \0 and \ud800")

    async with toy.running(subscription("carts", on(CartCheckedOutV1, quote, attempts=2))):
        await toy.publish(a_checkout())
        await toy.until_dead(1)
        await toy.until_idle()
    assert await toy.dead() == [("carts", "attempts-exhausted", 2, "LookupError: carrier said \ufffd and \ufffd")]


async def test_a_handler_can_postpone_its_event(toy: Toy) -> None:
    times: list[float] = []

    async def later(event: CartCheckedOutV1, tx: Transaction) -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise RetryLater(timedelta(seconds=0.4))
        await effect(tx, event.order_id)

    async with toy.running(subscription("carts", on(CartCheckedOutV1, later))):
        await toy.publish(a_checkout())
        await toy.until_effects(1)
    assert times[1] - times[0] >= 0.4


async def test_postponing_an_event_spends_no_attempt(toy: Toy) -> None:
    runs = 0

    async def later(event: CartCheckedOutV1, tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        if runs <= 4:
            raise RetryLater(timedelta(seconds=0.05))
        await effect(tx, event.order_id)

    async with toy.running(subscription("carts", on(CartCheckedOutV1, later, attempts=1))):
        await toy.publish(a_checkout())
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.dead() == []
    assert await toy.rows("select attempt from messaging.inbox") == [(1,)]
    assert await toy.rows("select count(*) from messaging.incidents") == [(1,)]  # only the first wait is recorded


async def test_an_owed_event_is_retried_without_limit_and_keeps_bounded_incidents(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_policy, "proportional_delay", lambda *_, **__: timedelta(milliseconds=5))
    runs = 0

    async def owe(event: CartCheckedOutV1, tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        if runs < 30:
            raise LookupError("the provider is away")
        await effect(tx, event.order_id)

    async with toy.running(subscription("carts", on(CartCheckedOutV1, owe, attempts=None))):
        await toy.publish(a_checkout())
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.rows("select attempt from messaging.inbox") == [(30,)]
    kept = await toy.rows("select attempt from messaging.incidents order by attempt")
    assert kept == [(attempt,) for attempt in (*range(1, MAX_KEPT_ATTEMPTS + 1), 29)]


async def test_a_deadline_is_handled_once_when_it_is_due(toy: Toy) -> None:
    async def start(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, "start")
        tx.schedule(PaymentDueV1(order_id=event.order_id), after=timedelta(seconds=0.3))

    async def due(event: PaymentDueV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, "due")

    table = subscription("carts", on(CartCheckedOutV1, start), on(PaymentDueV1, due))
    events = [a_checkout() for _ in range(5)]
    async with toy.running(table):
        await toy.publish(*events)
        await toy.until_effects(10)
        await toy.until_idle()
    assert await toy.effects() == sorted((each.order_id, what) for each in events for what in ("due", "start"))


async def test_a_deadline_survives_the_process_that_set_it(toy: Toy) -> None:
    async def start(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, "start")
        tx.schedule(PaymentDueV1(order_id=event.order_id), after=timedelta(seconds=1))

    async def due(event: PaymentDueV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, "due")

    table = subscription("carts", on(CartCheckedOutV1, start), on(PaymentDueV1, due))
    async with toy.running(table):
        await toy.publish(a_checkout())
        await toy.until_effects(1)
    async with toy.running(table):
        await toy.until_effects(2)
    assert [what for _, what in await toy.effects()] == ["due", "start"]


async def test_a_restart_of_the_database_spends_no_attempts(toy: Toy) -> None:
    async with toy.running(subscription("carts", on(CartCheckedOutV1, handle, attempts=1))):
        await toy.publish(a_checkout())
        await toy.until_effects(1)
        ids = [a_checkout() for _ in range(30)]
        await toy.publish(*ids)
        await toy.postgres.stop()
        await toy.postgres.start()
        await toy.until_effects(31)
        await toy.until_idle()
    assert len(await toy.effects()) == 31
    assert await toy.dead() == []


@pytest.mark.slow  # `test_degradation.py` restarts the stack's
async def test_a_restart_of_the_broker_loses_and_repeats_nothing(toy: Toy) -> None:
    async with toy.running(subscription("carts", on(CartCheckedOutV1, handle))):
        await toy.publish(*(a_checkout() for _ in range(200)))
        await toy.broker.stop()
        await toy.publish(*(a_checkout() for _ in range(200)))
        await toy.broker.start()
        await toy.until_effects(400)
        await toy.until_idle()
    assert len(await toy.effects()) == 400
    assert await toy.dead() == []


async def test_replicas_share_the_work_and_each_event_has_one_effect(toy: Toy) -> None:
    table = subscription("carts", on(CartCheckedOutV1, handle))
    async with toy.running(table):
        second = toy.messaging("checkout", toy.checkout_database([table]), [table], None)
        async with toy.started(second):
            for _ in range(10):
                await toy.publish(*(a_checkout() for _ in range(100)))
            await toy.until_effects(1000)
            await toy.until_idle()
    assert len({order for order, _ in await toy.effects()}) == 1000 == len(await toy.effects())
