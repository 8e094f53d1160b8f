"""With `ordered_by`, events of one key are handled in order, through failures, deaths and redrives."""

import asyncio
import random
from collections import Counter
from functools import partial
from multiprocessing.context import ForkServerProcess
from uuid import UUID

import aio_pika
import pytest
from pamqp.commands import Queue

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import open_channel
from marketplace_runtime.database import Database, Transaction, new_id
from marketplace_runtime.external_calls import liveness
from marketplace_runtime.scheduler import key_queue
from tests.integration.messaging.crash.steps import When
from tests.integration.messaging.ordered import (
    FAILS,
    KILLS,
    SHAKY,
    SLOW,
    Picky,
    has_handled,
    note,
    numbers,
    ordered,
    parked,
    replica,
)
from tests.integration.messaging.toy import Toy, a_checkout, effect, until


def of(customer: str, order: UUID, number: int) -> CartCheckedOutV1:
    return a_checkout(order, cents=number).model_copy(update={"customer_id": customer})


async def queue(toy: Toy) -> Queue.DeclareOk:
    connection = await aio_pika.connect(toy.broker.urls.amqp)
    async with connection:
        channel = await open_channel(connection, confirms=False)
        return await channel.queue_declare("checkout.carts", passive=True)


async def in_progress(toy: Toy, number: int) -> bool:
    """Return whether a consumer has received up to its prefetch of `number` messages, or has acknowledged some."""
    return (await queue(toy)).message_count == number - ordered(note).prefetch or await numbers(toy) != {}


async def consumed(toy: Toy) -> bool:
    return (await queue(toy)).consumer_count == 1


async def alive(toy: Toy, number: int) -> bool:
    """Return whether `number` replicas are alive. The broker's count leaves out stand-by consumers."""
    return len(await toy.rows(liveness.LIVE_PROCESSES)) == number


async def test_later_events_of_a_key_wait_for_a_retry_and_other_keys_continue(toy: Toy) -> None:
    held, free = new_id(), new_id()
    may_pass = asyncio.Event()

    async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
        if (event.order_id, event.total.amount) == (held, 2) and not may_pass.is_set():
            raise LookupError("not yet")
        await effect(tx, event.order_id, str(event.total.amount))

    async with toy.running(ordered(handle)):
        for number in range(1, 21):
            await toy.publish(a_checkout(held, cents=number), a_checkout(free, cents=number))
        await until(partial(has_handled, toy, {held: [1], free: list(range(1, 21))}))
        await until(partial(parked, toy, 18))
        may_pass.set()
        await until(partial(has_handled, toy, {order: list(range(1, 21)) for order in (held, free)}))
        await toy.until_idle()
    assert await toy.dead() == []


async def test_a_dead_head_keeps_its_key_parked_until_it_is_discarded(toy: Toy) -> None:
    picky = Picky()
    async with toy.running(ordered(picky)):
        first = await picky.until_dead(toy)
        await toy.publish(a_checkout(picky.order, cents=6))
        await until(partial(parked, toy, 5))
        async with toy.databases[-1].transaction() as tx:
            await key_queue.remove_dead_heads(tx, "carts", [first, new_id()])
        await until(partial(has_handled, toy, {picky.other: [1, 2, 3, 4, 5], picky.order: [2, 3, 4, 5, 6]}))
        await toy.until_idle()


async def test_a_dead_head_that_is_redriven_runs_before_the_events_parked_behind_it(toy: Toy) -> None:
    picky = Picky()
    table = ordered(picky)
    async with toy.running(table):
        first = await picky.until_dead(toy)
    picky.willing = True
    async with toy.running(table):
        body = a_checkout(picky.order, cents=1).model_dump_json().encode()
        async with toy.databases[-1].transaction() as tx:
            assert await key_queue.redrive_heads(tx, "carts", {first: body, new_id(): body}) == {first}
        await until(partial(has_handled, toy, {order: [1, 2, 3, 4, 5] for order in (picky.order, picky.other)}))
        await toy.until_idle()


async def test_an_event_with_an_invalid_body_blocks_its_key(toy: Toy) -> None:
    order = new_id()
    async with toy.running(ordered(note)):
        async with toy.cart.transaction() as tx:
            tx.publish(a_checkout(order).model_copy(update={"lines": []}))
            tx.publish(a_checkout(order, cents=2))
        await toy.until_dead(1)
        await until(partial(parked, toy, 1))
    assert [reason for _, reason, *_ in await toy.dead()] == ["invalid-body"]
    assert await numbers(toy) == {}


async def test_a_redelivered_event_is_parked_once(toy: Toy) -> None:
    picky = Picky()
    async with toy.running(ordered(picky)):
        await picky.until_dead(toy)
        ids = await toy.rows(
            "select event_id from messaging.outbox where subject = $1", str(picky.order), service="cart"
        )
        for (id,) in ids:
            await toy.publish_again(id)
        await toy.publish(a_checkout(picky.other, cents=6))
        await until(partial(has_handled, toy, {picky.other: [1, 2, 3, 4, 5, 6]}))
        assert await toy.rows("select count(*) from messaging.scheduled") == [(5,)]


@pytest.mark.parametrize(
    ("seed", "each"), [(1, 10), *(pytest.param(seed, 20, marks=pytest.mark.slow) for seed in (1, 2))]
)
async def test_replicas_killed_at_random_keep_the_order_of_every_key(toy: Toy, seed: int, each: int) -> None:
    chance = random.Random(seed)
    orders = [new_id() for _ in range(15)]
    wanted = {order: list(range(1, each + 1)) for order in orders}
    await toy.declare([ordered(note)])
    toy.checkout_database([])
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        replicas = [replica(toy), replica(toy)]
        try:
            for number in range(1, each + 1):
                await toy.publish(*(of(FAILS if chance.random() < 0.5 else "ada", order, number) for order in orders))
                if number % 5 == 0:
                    await asyncio.sleep(chance.uniform(0.05, 0.4))  # each replica is killed at a different moment
                    replicas.pop(0).kill()
                    replicas.append(replica(toy))
            # messages in progress at three deaths are suspects and run alone: 0.15 s each on a busy machine
            await until(partial(has_handled, toy, wanted), within_s=80)
            await toy.until_idle()
        finally:
            for process in replicas:
                process.kill()
    assert await toy.dead() == []


@pytest.mark.parametrize(
    ("point", "when"),
    [
        ("make_next_due", "before"),
        *(
            pytest.param(*rare, marks=pytest.mark.slow)
            for rare in (
                ("append", "before"),
                ("append", "after"),
                ("make_next_due", "after"),
                ("update_in_place", "before"),
                ("update_in_place", "after"),
            )
        ),
    ],
)
async def test_a_replica_killed_while_it_changes_a_keys_queue_leaves_it_consistent(
    toy: Toy, point: str, when: When
) -> None:
    order = new_id()
    await toy.declare([ordered(note)])
    toy.checkout_database([])
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        await toy.publish(*(of(SHAKY if number == 1 else "ada", order, number) for number in range(1, 6)))
        process = replica(toy, point, when)
        try:
            await until(partial(has_ended, process), within_s=60)
            process = replica(toy)
            await until(partial(has_handled, toy, {order: [1, 2, 3, 4, 5]}))
            await toy.until_idle()
        finally:
            process.kill()


async def has_ended(process: ForkServerProcess) -> bool:
    return process.exitcode is not None


async def test_a_replica_that_shuts_down_gracefully_drains_before_it_releases_its_queue(toy: Toy) -> None:
    order, many = new_id(), 3 * ordered(note).prefetch
    await toy.declare([ordered(note)])
    toy.checkout_database([])
    replicas = [replica(toy)]
    try:
        await until(partial(consumed, toy))
        replicas.append(replica(toy))
        await until(partial(alive, toy, 2))
        async with toy.started(toy.messaging("cart", toy.cart, [], None)):
            await toy.publish(*(of(SLOW if number == 1 else "ada", order, number) for number in range(1, many + 1)))
            await until(partial(in_progress, toy, many))
            replicas[0].terminate()
            await until(partial(has_handled, toy, {order: list(range(1, many + 1))}), within_s=40)
    finally:
        for process in replicas:
            process.kill()


async def test_an_event_that_kills_its_process_is_dead_lettered_in_its_place_and_blocks_only_its_key(toy: Toy) -> None:
    held, free = new_id(), new_id()
    await toy.declare([ordered(note)])
    database = toy.checkout_database([])
    async with toy.started(toy.messaging("cart", toy.cart, [], None)):
        await toy.publish(of("ada", held, 1), of(KILLS, held, 2), of("ada", held, 3), of("ada", free, 1))
        process, deaths = replica(toy), 0
        try:
            async with asyncio.timeout(60):
                while not await toy.dead():
                    if process.exitcode is not None:
                        process, deaths = replica(toy), deaths + 1
                    await asyncio.sleep(0.05)
            await until(partial(has_handled, toy, {held: [1], free: [1]}))
            await release_all(database)
            await until(partial(has_handled, toy, {held: [1, 3], free: [1]}))
        finally:
            process.kill()
    assert Counter(reason for _, reason, *_ in await toy.dead()) == {"poison": 1}
    assert deaths >= 3


async def release_all(database: Database) -> None:
    async with database.transaction() as tx:
        dead = [row[0] for row in await tx.execute("select event_id from messaging.scheduled where dead")]
        await key_queue.remove_dead_heads(tx, "carts", dead)
