"""Faults of the database: lost answers to commits, deadlocks, slow statements, lost connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from contracts.cart import CartCheckedOutV1
from contracts.checkout import PaymentDueV1
from marketplace_runtime.consumer import Subscription, on, subscription
from marketplace_runtime.consumer.failure_policy import FailurePolicy
from marketplace_runtime.database import Transaction
from marketplace_runtime.external_calls import liveness
from tests.integration.messaging.external_calls import TABLE, Provider
from tests.integration.messaging.toy import Toy, a_checkout, effect, until


class Once:
    """Makes one call of a method raise after it has done its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception, nth: int = 1) -> None:
        original = getattr(owner, name)
        self.calls = 0

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            done = await original(*args, **kwargs)
            if owner is Transaction and args[0].cause is None:
                return done
            self.calls += 1
            if self.calls == nth:
                raise error
            return done

        monkeypatch.setattr(owner, name, wrapped)


@pytest.mark.parametrize("nth", [1, 2], ids=["claim", "answer"])
async def test_a_commit_whose_answer_is_lost_does_not_delay_a_call_until_its_lease_expires(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    provider = Provider()
    async with toy.running(TABLE, clients=provider):
        once = Once(monkeypatch, Transaction, "commit", ConnectionResetError("cut"), nth)
        await toy.publish(event := a_checkout())
        async with asyncio.timeout(10):
            while (event.order_id, "yes") not in await toy.effects():
                await asyncio.sleep(0.05)
        await toy.until_idle()
    assert once.calls >= nth
    assert provider.asked == {event.order_id: 1}
    assert [what for _, what in await toy.effects()].count("yes") == 1


async def test_a_commit_whose_answer_is_lost_is_not_repeated(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id)

    async with toy.running(subscription("carts", on(CartCheckedOutV1, handle))):
        Once(monkeypatch, Transaction, "commit", ConnectionResetError("cut"))
        await toy.publish(*(events := [a_checkout() for _ in range(5)]))
        await toy.until_effects(5)
        await toy.until_idle()
    assert sorted(order for order, _ in await toy.effects()) == sorted(each.order_id for each in events)


async def test_a_deadlock_does_not_stop_the_schedule(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(event: CartCheckedOutV1, tx: Transaction) -> None:
        tx.schedule(PaymentDueV1(order_id=event.order_id), after=timedelta(0))

    async def due(event: PaymentDueV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, "due")

    async with toy.running(subscription("carts", on(CartCheckedOutV1, start), on(PaymentDueV1, due))):
        once = Once(monkeypatch, liveness, "release_orphaned_claims", asyncpg.DeadlockDetectedError("deadlock"))

        async def deadlocked() -> bool:
            return once.calls > 0

        await until(deadlocked)
        await toy.publish(a_checkout())
        await toy.until_effects(1)


async def test_an_unexpected_error_of_the_runtime_during_a_call_ends_the_process(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process holds a claim, which only the end of its database session releases."""
    provider = Provider()
    provider.failures = 1
    monkeypatch.setattr(FailurePolicy, "decide", FailurePolicy.postpone_busy)  # an unexpected error: here a TypeError
    await toy.declare([TABLE])
    checkout = toy.messaging("checkout", toy.checkout_database([TABLE]), [TABLE], provider)
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        running = asyncio.create_task(checkout.run(asyncio.Event()))
        await toy.publish(a_checkout())
        with pytest.raises(ExceptionGroup):
            async with asyncio.timeout(10):
                await running


WAITING = "select virtualtransaction from pg_locks where not granted and relation = $1::regclass"


@asynccontextmanager
async def locked(toy: Toy, table: str) -> AsyncIterator[None]:
    """Lock a table until the block has ended and two transactions have waited for it, one after the other."""
    connection = await asyncpg.connect(toy.urls["checkout"].owner)
    waited: set[str] = set()

    async def waited_twice() -> bool:
        waited.update(row[0] for row in await connection.fetch(WAITING, table))
        return len(waited) > 1

    try:
        async with connection.transaction():
            await connection.execute(f"lock table {table}")
            yield
            await until(waited_twice)
    finally:
        await connection.close()


@asynccontextmanager
async def running_with_short_timeouts(toy: Toy, table: Subscription) -> AsyncIterator[None]:
    """Run both services' messaging with a statement timeout of half a second for checkout."""
    await toy.declare([table])
    checkout = toy.messaging("checkout", toy.checkout_database([table], statement_timeout_s=0.5), [table], None)
    async with toy.started(toy.messaging("cart", toy.cart, [], None)), toy.started(checkout):
        yield


async def test_a_retry_is_scheduled_however_long_its_statement_takes(toy: Toy) -> None:
    runs = 0

    async def stumble(event: CartCheckedOutV1, tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("not yet")
        await effect(tx, event.order_id)

    event = a_checkout()
    async with running_with_short_timeouts(toy, subscription("carts", on(CartCheckedOutV1, stumble))):
        async with locked(toy, "messaging.incidents"):
            await toy.publish(event)
        await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.effects() == [(event.order_id, "handled")]
    assert await toy.rows("select what, why from messaging.incidents") == [("failed", "ValueError: not yet")]


async def test_consumption_waits_for_a_database_that_is_back_but_too_slow(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id)

    first, second = a_checkout(), a_checkout()
    async with running_with_short_timeouts(toy, subscription("carts", on(CartCheckedOutV1, handle))):
        Once(monkeypatch, Transaction, "commit", ConnectionResetError("cut"))
        async with locked(toy, "messaging.probe"):
            await toy.publish(first)
        await toy.publish(second)
        await toy.until_effects(2)
        await toy.until_idle()
    assert sorted(await toy.effects()) == sorted([(first.order_id, "handled"), (second.order_id, "handled")])
