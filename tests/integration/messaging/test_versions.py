"""Two versions of one event: a subscription to both handles it once, and replicas may have different releases."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts import Envelope, Event
from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import properties_of
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.consumer.incidents import MAX_KEPT_ATTEMPTS
from marketplace_runtime.consumer.subscriptions import DEFAULT_ATTEMPTS
from marketplace_runtime.database import Transaction
from marketplace_runtime.scheduler import retry_policy, scheduler
from marketplace_runtime.telemetry import new_traceparent
from tests.integration.messaging.toy import Toy, a_checkout, effect, until


class CartCheckedOutV2(Event, type="cart.cart-checked-out.v2", key="order_id"):
    """The event as the next release would publish it."""

    order_id: UUID
    cents: int


def upcast(old: CartCheckedOutV1) -> CartCheckedOutV2:
    return CartCheckedOutV2(order_id=old.order_id, cents=old.total.amount)


async def handle_old(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id, f"{event.total.amount} cents")


async def handle_new(event: CartCheckedOutV2, tx: Transaction) -> None:
    await effect(tx, event.order_id, f"{event.cents} cents")


OLD = subscription("carts", on(CartCheckedOutV1, handle_old))
NEW = subscription("carts", on(CartCheckedOutV2, handle_new).or_older(CartCheckedOutV1, upcast))

INCIDENTS = "select type, what, attempt, why from messaging.incidents order by at, attempt"


async def publish(toy: Toy, newest: Event, *older: Event) -> UUID:
    async with toy.cart.transaction() as tx:
        return tx.publish(newest, *older)


class Fleet:
    """Runs replicas of `checkout` of either release, and a `cart` that publishes."""

    def __init__(self, toy: Toy, *declared: Subscription) -> None:
        self.toy, self._declared = toy, declared
        self._stops: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str, table: Subscription) -> None:
        messaging = self.toy.messaging("checkout", self.toy.checkout_database([table]), [table], None)
        self._stops[name] = asyncio.Event()
        task = self._tasks[name] = asyncio.create_task(messaging.run(self._stops[name]))

        async def ready() -> bool:
            return task.done() or set(messaging.health().values()) == {"ok"}

        await until(ready)

    async def stop(self, name: str) -> None:
        self._stops.pop(name).set()
        await self._tasks.pop(name)

    async def crash(self, name: str) -> None:
        del self._stops[name]
        task = self._tasks.pop(name)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def __aenter__(self) -> "Fleet":
        self._stack = AsyncExitStack()
        await self.toy.declare(self._declared)
        await self._stack.enter_async_context(self.toy.started(self.toy.messaging("cart", self.toy.cart, [], None)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in list(self._tasks):
            await self.stop(name)
        await self._stack.aclose()


async def test_a_subscription_to_both_versions_handles_the_newest_once(toy: Toy) -> None:
    old = a_checkout(cents=500)
    async with toy.running(NEW):
        id = await publish(toy, upcast(old), old)
        alone = await publish(toy, other := a_checkout(cents=700))
        await toy.until_effects(2)
        await toy.until_idle()
    assert sorted(await toy.effects()) == sorted([(old.order_id, "500 cents"), (other.order_id, "700 cents")])
    assert sorted(await toy.rows("select event_id from messaging.inbox")) == [(id,), (alone,)]
    assert await toy.rows("select event_id, type from messaging.outbox order by 1, 2", service="cart") == [
        (id, "cart.cart-checked-out.v1"),
        (id, "cart.cart-checked-out.v2"),
        (alone, "cart.cart-checked-out.v1"),
    ]
    assert await toy.rows(INCIDENTS) == [
        ("cart.cart-checked-out.v1", "duplicate", 1, "it was published again, or in another version")
    ]
    assert await toy.dead() == []


async def test_another_version_of_a_handled_event_is_a_duplicate_even_if_unknown(
    toy: Toy,
) -> None:
    async with Fleet(toy, NEW) as fleet:
        await fleet.start("old", OLD)
        id = await publish(toy, event := a_checkout())
        await toy.until_effects(1)
        late = Envelope(id, CartCheckedOutV2.type, "cart", event.subject, datetime.now(UTC), new_traceparent())
        body = upcast(event).model_dump_json().encode()
        await toy.publish_raw(body, properties_of(late, "cart"), type=late.type)

        async def noticed() -> bool:
            return [what for _, what, *_ in await toy.rows(INCIDENTS)] == ["duplicate"]

        await until(noticed)
        await toy.until_idle()
    assert await toy.dead() == []


async def test_a_version_unknown_to_one_replica_is_handled_by_another(toy: Toy) -> None:
    async with Fleet(toy, NEW) as fleet:
        await fleet.start("old", OLD)
        new = upcast(a_checkout(cents=300))
        await publish(toy, new)

        async def filed() -> bool:
            return bool(await toy.rows("select 1 from messaging.scheduled"))

        await until(filed)
        why = "UnknownVersion: cart.cart-checked-out v2 is not understood here, only cart.cart-checked-out.v1"
        assert await toy.rows("select attempt, why from messaging.scheduled") == [(2, why)]
        await fleet.start("new", NEW)
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.effects() == [(new.order_id, "300 cents")]
    assert await toy.dead() == []


async def test_an_unknown_version_is_retried_then_dead_lettered_with_the_known_versions(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_policy, "MAX_DELAY_S", 0.01)
    monkeypatch.setattr(scheduler, "UNKNOWN_VERSION_AFTER", timedelta(0))
    monkeypatch.setattr(scheduler, "UNKNOWN_VERSION_POLL_S", 0.01)
    monkeypatch.setattr(scheduler, "POLL_S", 0.02)
    async with Fleet(toy, NEW) as fleet:
        await fleet.start("old", OLD)
        await publish(toy, upcast(a_checkout()))
        await toy.until_dead(1)
        await toy.until_idle()
    error = "cart.cart-checked-out v2 is not understood here, only cart.cart-checked-out.v1"
    assert await toy.dead() == [("carts", "unknown-version", DEFAULT_ATTEMPTS, f"UnknownVersion: {error}")]
    tried = [attempt for _, what, attempt, _ in await toy.rows(INCIDENTS) if what == "failed"]
    assert tried == [*range(1, MAX_KEPT_ATTEMPTS + 1), DEFAULT_ATTEMPTS]


async def test_an_ordered_subscription_continues_with_the_version_that_it_knows(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "UNKNOWN_VERSION_AFTER", timedelta(0))
    monkeypatch.setattr(scheduler, "UNKNOWN_VERSION_POLL_S", 0.01)
    order_id = a_checkout().order_id
    async with Fleet(toy, replace(NEW, ordered_by="order_id")) as fleet:
        await fleet.start("old", replace(OLD, ordered_by="order_id"))
        for cents in range(1, 21):
            event = a_checkout(order_id, cents=cents)
            await publish(toy, upcast(event), event)
        await toy.until_effects(20)
        await toy.until_idle()
    handled = await toy.rows("select what from effects order by position")
    assert handled == [(f"{cents} cents",) for cents in range(1, 21)]
    assert await toy.dead() == []


async def test_a_rolling_upgrade_under_traffic_loses_and_repeats_nothing(toy: Toy) -> None:
    """Two old replicas are replaced, one after a crash; the publisher changes from V1 to both and then to V2."""
    order_ids: list[UUID] = []
    ways = {
        "old": lambda event: (event,),
        "both": lambda event: (upcast(event), event),
        "new": lambda event: (upcast(event),),
    }
    releases = ["old"]
    over = asyncio.Event()

    async def traffic() -> None:
        while not over.is_set():
            for release in releases:  # several, since the publisher's replicas have different releases
                event = a_checkout(cents=100 + len(order_ids))
                await publish(toy, *ways[release](event))
                order_ids.append(event.order_id)

    async def until_more_handled(number: int = 60) -> None:
        await toy.until_effects(len(order_ids) + number)

    async def old_ones_met_the_new_version() -> bool:
        return any(type == CartCheckedOutV2.type and what == "failed" for type, what, *_ in await toy.rows(INCIDENTS))

    async with Fleet(toy, OLD) as fleet:
        await fleet.start("old 1", OLD)
        await fleet.start("old 2", OLD)
        buying = asyncio.create_task(traffic())
        await until_more_handled()
        await toy.declare([NEW])
        await fleet.start("new 1", NEW)
        await until_more_handled()
        releases[:] = ["old", "both"]
        await until(old_ones_met_the_new_version)
        await until_more_handled()
        await fleet.crash("old 1")
        await fleet.start("new 2", NEW)
        releases[:] = ["both"]
        await until_more_handled()
        await fleet.stop("old 2")
        releases[:] = ["both", "new"]
        await until_more_handled()
        over.set()
        await buying
        await toy.until_effects(len(order_ids))
        await toy.until_idle()
    effects = await toy.effects()
    assert sorted(effects) == sorted((order_id, f"{100 + n} cents") for n, order_id in enumerate(order_ids))
    assert await toy.dead() == []
