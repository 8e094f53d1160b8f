"""Several relays of one outbox publish every aggregate's events in order, although they are killed and cut off."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from marketplace_runtime.amqp import Publisher
from marketplace_runtime.database import ADVISORY_LOCK_FILTER, Database, new_id
from marketplace_runtime.database.outbox import BUCKETS
from marketplace_runtime.outbox import Relay, relay
from tests.integration.messaging.proxy import Wire, wire_to
from tests.integration.messaging.published_messages import receiving
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, until

AGGREGATES = 50
TRANSACTIONS = 1500
WRITERS = 8


@asynccontextmanager
async def relaying(toy: Toy, wire: Wire) -> AsyncIterator[Database]:
    """Run another relay of `cart`, until it is cancelled as if its process died."""
    database = Database(toy.urls["cart"].app, source="cart")
    publisher = Publisher(
        wire.of(toy.broker.urls.amqp_of("cart", PASSWORDS["cart"])), "cart publishes", exchange="cart.events"
    )
    tasks = [asyncio.create_task(publisher.run()), asyncio.create_task(Relay(database, publisher).run())]
    try:
        yield database
    finally:
        for task in tasks:
            if task.done():
                task.result()  # a relay survives every error
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await database.close()


async def write(databases: list[Database], chance: random.Random) -> None:
    """Run transactions that number each aggregate's events under its lock, as handlers do."""
    orders = [new_id() for _ in range(AGGREGATES)]
    numbers = dict.fromkeys(orders, 0)
    locks = {order: asyncio.Lock() for order in orders}
    left = iter(range(TRANSACTIONS))

    async def writer() -> None:
        for _ in left:
            order = chance.choice(orders)
            async with locks[order], chance.choice(databases).transaction() as tx:
                numbers[order] += 1
                tx.publish(a_checkout(order, cents=numbers[order]))

    await asyncio.gather(*(writer() for _ in range(WRITERS)))


def check(received: list[tuple[str, int]]) -> None:
    first: defaultdict[str, list[int]] = defaultdict(list)
    for subject, number in received:
        if number not in first[subject]:
            first[subject].append(number)
    inversions = {subject: numbers for subject, numbers in first.items() if numbers != sorted(numbers)}
    assert inversions == {}
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in first.values())
    assert sum(map(len, first.values())) == TRANSACTIONS


async def until_published(toy: Toy) -> None:
    async def published() -> bool:
        return await toy.rows("select count(*) from messaging.outbox_pending", service="cart") == [(0,)]

    await until(published)


@pytest.mark.slow
async def test_relays_keep_the_order_of_each_aggregate_while_their_connections_die(toy: Toy) -> None:
    chance = random.Random(7)
    await toy.declare([])
    admin = await asyncpg.connect(toy.urls["cart"].app)
    terminated = 0
    async with wire_to(toy.broker.urls.amqp) as wire, receiving(toy) as received:
        async with relaying(toy, wire) as one, relaying(toy, wire) as two, relaying(toy, wire) as three:
            writing = asyncio.create_task(write([one, two, three], chance))
            while not writing.done():
                await asyncio.sleep(chance.uniform(0.1, 0.3))
                if chance.random() < 0.5:
                    wire.cut()
                else:
                    terminated += await admin.fetchval(
                        "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity"
                        " where application_name = 'cart relay' and datname = current_database()"
                        " order by random() limit 1) as victim"
                    )
            await writing
            await until_published(toy)
        await until(lambda: _count(received))
    await admin.close()
    check(received)
    assert terminated > 0
    assert wire.cuts > 0


async def test_buckets_are_redistributed_when_a_relay_starts_or_dies(toy: Toy) -> None:
    chance = random.Random(11)
    await toy.declare([])
    async with wire_to(toy.broker.urls.amqp) as wire, receiving(toy) as received:
        async with relaying(toy, wire) as stays:
            writing = asyncio.create_task(write([stays], chance))
            while not writing.done():
                async with relaying(toy, wire):
                    await asyncio.sleep(chance.uniform(0.2, 1.5))
            await writing
            await until_published(toy)
        await until(lambda: _count(received))
    check(received)


async def test_a_commit_wakes_the_relay_that_holds_its_bucket(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    await toy.declare([])
    async with wire_to(toy.broker.urls.amqp) as wire, relaying(toy, wire) as one, relaying(toy, wire):
        await until(lambda: _have_equal_shares(toy))
        monkeypatch.setattr(relay, "POLL_S", 3600.0)
        for _ in range(3):  # during the first the relay may still poll
            await publish_to_every_bucket(one)
            await until_published(toy)


async def test_a_relay_that_never_reached_its_broker_claims_no_buckets(toy: Toy) -> None:
    async def waits_for_its_broker() -> bool:
        last = (
            "select state, query from pg_stat_activity"
            " where application_name = 'cart relay' and datname = current_database()"
        )
        return await toy.rows(last, service="cart") == [("idle", f'LISTEN "{relay.CHANNEL}"')]

    await toy.declare([])
    async with wire_to(toy.broker.urls.amqp) as broken, wire_to(toy.broker.urls.amqp) as wire:
        broken.broken = True
        async with relaying(toy, broken):
            await until(waits_for_its_broker)
            async with relaying(toy, wire) as has_a_broker:
                await publish_to_every_bucket(has_a_broker)
                await until_published(toy)


async def test_a_relay_that_lost_its_broker_releases_its_buckets_and_reclaims_them_later(toy: Toy) -> None:
    await toy.declare([])
    async with (
        wire_to(toy.broker.urls.amqp) as breaks,
        wire_to(toy.broker.urls.amqp) as wire,
        relaying(toy, breaks),
        relaying(toy, wire) as has_a_broker,
    ):
        await until(lambda: _have_equal_shares(toy))
        breaks.broken = True
        breaks.cut()
        await publish_to_every_bucket(has_a_broker)
        await until_published(toy)
        breaks.broken = False
        await until(lambda: _have_equal_shares(toy))


async def publish_to_every_bucket(database: Database) -> None:
    async with database.transaction() as tx:
        for _ in range(4 * BUCKETS):
            tx.publish(a_checkout(new_id()))


async def _have_equal_shares(toy: Toy) -> bool:
    held = (
        f"select count(*) from pg_locks where {ADVISORY_LOCK_FILTER} and classid = {relay.BUCKET_CLASS}"
        " and granted group by pid"
    )
    return await toy.rows(held, service="cart") == [(BUCKETS // 2,)] * 2


async def _count(received: list[tuple[str, int]]) -> bool:
    return len(set(received)) >= TRANSACTIONS
