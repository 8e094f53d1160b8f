"""What a database does to messaging: commits without an answer, deadlocks, a connection lost."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from contracts.cart import CartCheckedOutV1
from contracts.checkout import PaymentDueV1
from infra.messaging import on, subscription
from infra.messaging.worker import Worker
from infra.storage import Transaction, presence
from tests.integration.messaging.test_outside_calls import TABLE, Provider
from tests.integration.messaging.toy import Toy, a_checkout, effect, until


class Once:
    """Lets one call of a method of `owner` go wrong, after it has done its work."""

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
async def test_a_commit_whose_answer_is_lost_delays_a_call_by_no_lease(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    provider = Provider()
    async with toy.running(TABLE, outside=provider):
        once = Once(monkeypatch, Transaction, "commit", ConnectionResetError("cut"), nth)
        await toy.say(event := a_checkout())
        async with asyncio.timeout(10):
            while (event.order_id, "yes") not in await toy.effects():
                await asyncio.sleep(0.05)
        await toy.until_idle()
    assert once.calls >= nth
    assert provider.asked == {event.order_id: 1}
    assert [what for _, what in await toy.effects()].count("yes") == 1


async def test_a_commit_whose_answer_is_lost_is_not_done_again(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
        await effect(tx, event.order_id)

    async with toy.running(subscription("carts", on(CartCheckedOutV1, handle))):
        Once(monkeypatch, Transaction, "commit", ConnectionResetError("cut"))
        await toy.say(*(events := [a_checkout() for _ in range(5)]))
        await toy.until_effects(5)
        await toy.until_idle()
    assert sorted(order for order, _ in await toy.effects()) == sorted(each.order_id for each in events)


async def test_a_deadlock_does_not_stop_the_schedule(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(event: CartCheckedOutV1, tx: Transaction) -> None:
        tx.schedule(PaymentDueV1(order_id=event.order_id), after=timedelta(0))

    async def due(event: PaymentDueV1, tx: Transaction) -> None:
        await effect(tx, event.order_id, "due")

    async with toy.running(subscription("carts", on(CartCheckedOutV1, start), on(PaymentDueV1, due))):
        once = Once(monkeypatch, presence, "free_what_the_dead_hold", asyncpg.DeadlockDetectedError("deadlock"))

        async def deadlocked() -> bool:
            return once.calls > 0

        await until(deadlocked)
        await toy.say(a_checkout())
        await toy.until_effects(1)


async def test_a_call_that_the_runtime_itself_cannot_carry_on_ends_the_process(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds a claim: only an end that the database sees gives it to another process."""
    provider = Provider()
    provider.failures = 1
    monkeypatch.setattr(Worker, "failed", Worker.drained)  # any error that nobody foresaw: a TypeError here
    await toy.declare([TABLE])
    checkout = toy.messaging("checkout", toy.checkout_database([TABLE]), [TABLE], provider)
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        running = asyncio.create_task(checkout.run(asyncio.Event()))
        await toy.say(a_checkout())
        with pytest.raises(ExceptionGroup):
            async with asyncio.timeout(10):
                await running
