"""External calls are prepared, made and recorded; overlapping deliveries make one call."""

import asyncio
import pkgutil
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import Publisher
from marketplace_runtime.consumer import Delivery, Reject, on, subscription
from marketplace_runtime.database import Transaction
from marketplace_runtime.external_calls import CallPool
from tests.integration.messaging.external_calls import TABLE, Provider, make_call, prepare, record
from tests.integration.messaging.toy import Toy, a_checkout


async def test_an_answer_is_recorded_once(toy: Toy) -> None:
    provider = Provider()
    event = a_checkout()
    async with toy.running(TABLE, clients=provider):
        await toy.publish(event)
        await toy.until_effects(2)
        await toy.until_idle()
    assert await toy.effects() == [(event.order_id, "prepared"), (event.order_id, "yes")]
    assert provider.asked == {event.order_id: 1}
    assert await toy.rows("select * from messaging.claims") == []


async def test_overlapping_deliveries_make_one_call(toy: Toy) -> None:
    provider = Provider()
    provider.answering.clear()
    event = a_checkout()
    async with toy.running(TABLE, clients=provider):
        [id] = await toy.publish(event)
        await toy.until_effects(1)
        for _ in range(5):
            await toy.publish_again(id)
        provider.answering.set()
        await toy.until_effects(2)
        await toy.until_idle()
    assert provider.asked == {event.order_id: 1}
    assert [what for _, what in await toy.effects()] == ["prepared", "yes"]
    assert await toy.rows("select what, count(*) from messaging.incidents group by what") == [("duplicate", 5)]


@pytest.mark.parametrize(
    "step", ["marketplace_runtime.consumer.inbox.find_handled", "marketplace_runtime.external_calls.claims.claim"]
)
async def test_a_duplicate_prepared_while_the_answer_is_recorded_makes_no_call(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The call ends between two steps of the duplicate's transaction: after `step` and before the next one."""
    provider, closed = Provider(), asyncio.Event()
    provider.answering.clear()

    async def after_the_call(tx: Transaction, *arguments: Any) -> set[UUID]:
        found: set[UUID] = await step_itself(tx, *arguments)
        if provider.asked:
            provider.answering.set()
            await closed.wait()
        return found

    def close(pool: CallPool[Delivery], key: UUID) -> list[Delivery]:
        held = close_itself(pool, key)
        closed.set()
        return held

    step_itself, close_itself = pkgutil.resolve_name(step), CallPool.close
    monkeypatch.setattr(step, after_the_call)
    monkeypatch.setattr(CallPool, "close", close)
    event = a_checkout()
    async with toy.running(TABLE, clients=provider):
        [id] = await toy.publish(event)
        await toy.until_effects(1)
        await toy.publish_again(id)
        await toy.until_effects(2)
        await toy.until_idle()
    assert provider.asked == {event.order_id: 1}
    assert [what for _, what in await toy.effects()] == ["prepared", "yes"]
    assert await toy.rows("select what, count(*) from messaging.incidents group by what") == [("duplicate", 1)]


async def test_a_dead_letter_that_cannot_be_published_delays_no_other_call(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, taken = Provider(), asyncio.Event()
    publish = Publisher.publish

    async def publish_later(publisher: Publisher, *message: Any) -> None:
        await taken.wait()
        await publish(publisher, *message)

    async def refuse_once(order_id: UUID, provider: Provider) -> str:
        if not provider.asked:
            provider.asked[order_id] += 1
            raise Reject("never")
        return await make_call(order_id, provider)

    monkeypatch.setattr(Publisher, "publish", publish_later)
    table = subscription("carts", on(CartCheckedOutV1, prepare=prepare, call=refuse_once, record=record), batch=1)
    async with toy.running(table, clients=provider):
        await toy.publish(a_checkout(), a_checkout())
        await toy.until_effects(3)
        taken.set()
        await toy.until_idle()
    assert sorted(what for _, what in await toy.effects()) == ["prepared", "prepared", "yes"]


async def test_two_deliveries_in_one_batch_make_one_call_or_none(toy: Toy) -> None:
    provider = Provider()
    asking, idle = a_checkout(), a_checkout(cents=0)
    await toy.declare([TABLE])
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        for id in await toy.publish(asking, idle):
            await toy.publish_again(id)
    async with toy.running(TABLE, clients=provider):
        await toy.until_effects(3)
        await toy.until_idle()
    assert provider.asked == {asking.order_id: 1}
    assert await toy.rows("select what, count(*) from messaging.incidents group by what") == [("duplicate", 2)]


async def test_a_call_without_an_answer_is_repeated(toy: Toy) -> None:
    provider = Provider()
    provider.failures = 2
    event = a_checkout()
    async with toy.running(TABLE, clients=provider):
        await toy.publish(event)
        await toy.until_effects(4)
        await toy.until_idle()
    assert provider.asked == {event.order_id: 3}
    assert Counter(what for _, what in await toy.effects()) == {"prepared": 3, "yes": 1}


async def test_a_call_has_a_deadline_and_is_repeated_after_it(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace_runtime.external_calls.call_pool.CALL_TIMEOUT_S", 0.2)
    provider = Provider()
    provider.answering.clear()
    event = a_checkout()
    async with toy.running(TABLE, clients=provider):
        await toy.publish(event)
        await toy.until_effects(2)
        provider.answering.set()
        await toy.until_idle()
    assert [what for _, what in await toy.effects()].count("yes") == 1
    assert all(left is not None and 0 < left <= 0.2 for left in provider.left_s)


async def test_calls_run_concurrently_up_to_the_bulkhead(toy: Toy) -> None:
    provider = Provider()
    provider.answering.clear()
    async with toy.running(TABLE, clients=provider):
        await toy.publish(*(a_checkout() for _ in range(30)))
        await toy.until_effects(30)
        provider.answering.set()
        await toy.until_effects(60)
        await toy.until_idle()
    assert provider.most_at_once == 4
    assert set(provider.asked.values()) == {1}


async def test_no_call_is_made_if_prepare_returns_none(toy: Toy) -> None:
    provider = Provider()
    async with toy.running(TABLE, clients=provider):
        await toy.publish(event := a_checkout(cents=0))
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.effects() == [(event.order_id, "prepared")]
    assert provider.asked == {}
