"""A graceful shutdown waits for calls in progress; the next process repeats a call that was cut off."""

import asyncio
from uuid import UUID

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction
from tests.integration.messaging.toy import Toy, a_checkout, effect, until


async def test_shutdown_waits_for_a_call_prepared_while_another_was_recorded(toy: Toy) -> None:
    first, second = a_checkout(), a_checkout()
    asked = {first.order_id: asyncio.Event(), second.order_id: asyncio.Event()}
    answer, preparing, prepared = asyncio.Event(), asyncio.Event(), asyncio.Event()
    answered: list[UUID] = []

    async def prepare(event: CartCheckedOutV1, tx: Transaction) -> UUID:
        if event.order_id == second.order_id:
            preparing.set()
            await prepared.wait()
        return event.order_id

    async def make_call(order_id: UUID, _: object) -> str:
        asked[order_id].set()
        if order_id == first.order_id:
            await answer.wait()
        else:
            await asyncio.sleep(1)  # a shutdown that does not wait has ended by then
        answered.append(order_id)
        return "yes"

    async def record(event: CartCheckedOutV1, answer: str, tx: Transaction) -> None:
        await effect(tx, event.order_id, answer)

    table = subscription("carts", on(CartCheckedOutV1, prepare=prepare, call=make_call, record=record))
    async with toy.running(table) as checkout, asyncio.timeout(30):

        async def is_first_over() -> bool:
            return not checkout.workers["carts"].calls.pool.under_way

        await toy.publish(first)
        await asked[first.order_id].wait()
        await toy.publish(second)
        await preparing.wait()
        answer.set()
        await until(is_first_over)
        prepared.set()
        await asked[second.order_id].wait()
    assert answered == [first.order_id, second.order_id]
    assert await toy.effects() == sorted((order_id, "yes") for order_id in answered)
    assert await toy.rows("select count(*) from messaging.inbox") == [(2,)]
