"""While a lock is held for long, messages that need it wait, others continue, and none spends an attempt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Column, Table, Text, Uuid
from sqlalchemy.orm import registry

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction
from tests.integration.messaging.toy import Toy, a_checkout, effect

mapping = registry()


class Shelf:
    """One row per product, as in a catalog."""

    product_id: UUID


mapping.map_imperatively(
    Shelf,
    Table("shelves", mapping.metadata, Column("product_id", Uuid, primary_key=True), Column("label", Text)),
)


@pytest.fixture
async def shelves(toy: Toy) -> AsyncIterator[asyncpg.Connection]:
    """Create a table of shelves, and yield a connection that can lock it."""
    connection = await asyncpg.connect(toy.urls["checkout"].owner)
    await connection.execute(
        "create table shelves (product_id uuid primary key, label text); grant all on shelves to public"
    )
    yield connection
    await connection.execute("drop table shelves")
    await connection.close()


async def load(events: list[CartCheckedOutV1], tx: Transaction) -> None:
    await tx.preload(Shelf, [each.lines[0].product_id for each in events])


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await tx.get(Shelf, event.lines[0].product_id)
    await effect(tx, event.order_id)


TABLES = {
    "loaded in batches": subscription("carts", on(CartCheckedOutV1, handle, load=load)),
    "one by one": subscription("carts", on(CartCheckedOutV1, handle)),
    "in order": subscription("carts", on(CartCheckedOutV1, handle, load=load), ordered_by="order_id"),
}


@asynccontextmanager
async def locked(shelves: asyncpg.Connection, statement: str, *values: object) -> AsyncIterator[None]:
    async with shelves.transaction():
        await shelves.execute(statement, *values)
        yield


async def postponed(toy: Toy) -> list[tuple[object, ...]]:
    return await toy.rows("select event_id, attempt from messaging.scheduled order by event_id")


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(table, id=name, marks=[] if name == "loaded in batches" else [pytest.mark.slow])
        for name, table in TABLES.items()
    ],
)
async def test_one_locked_row_delays_only_the_messages_that_need_it(
    toy: Toy, shelves: asyncpg.Connection, table
) -> None:
    first, others = a_checkout(), [a_checkout() for _ in range(30)]
    waiting = [first, *(a_checkout().model_copy(update={"lines": first.lines}) for _ in range(2))]
    row = first.lines[0].product_id
    for each in (first, *others):
        await shelves.execute("insert into shelves values ($1)", each.lines[0].product_id)
    async with toy.running(table):
        async with locked(shelves, "select from shelves where product_id = $1 for update", row):
            await toy.publish(*others[:10], *waiting, *others[10:20])
            async with asyncio.timeout(10):
                await toy.until_effects(20)
            began = asyncio.get_running_loop().time()
            for each in others[20:]:
                await toy.publish(each)
            await toy.until_effects(30)
            assert asyncio.get_running_loop().time() - began < 10
            assert {order for order, _ in await toy.effects()} == {each.order_id for each in others}
        async with asyncio.timeout(20):
            await toy.until_effects(33)
        await toy.until_idle()
    assert await toy.rows("select distinct attempt from messaging.inbox") == [(1,)]
    assert await toy.dead() == []


@pytest.mark.slow
async def test_waiting_for_a_locked_table_spends_no_attempt_however_often(
    toy: Toy, shelves: asyncpg.Connection
) -> None:
    """A rebuild locks a table like this. With two attempts, a second failure would dead-letter the message."""
    table = subscription("carts", on(CartCheckedOutV1, handle, load=load, attempts=2))
    waits = 0

    async with toy.running(table):
        async with locked(shelves, "lock table shelves in access exclusive mode"):
            await toy.publish(*(a_checkout() for _ in range(3)))
            async with asyncio.timeout(30):
                while waits < 3:
                    [(count,)] = await toy.rows(
                        "select count(*) from pg_locks where not granted and relation = 'shelves'::regclass"
                    )
                    waits += count
                    await asyncio.sleep(0.4)
            assert {attempt for _, attempt in await postponed(toy)} <= {1}
        await toy.until_effects(3)
        await toy.until_idle()
    assert await toy.dead() == []
    assert await toy.rows("select distinct attempt from messaging.inbox") == [(1,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sqlstate", "times"),
    [
        ("57014", 3),
        ("55P03", 3),
        ("XX000", 3),
        ("53200", 6),  # more often than the runtime accepts as an outage
        ("42501", 6),
        ("40001", 14),  # more often than a conflict is retried at once
    ],
)
async def test_infrastructure_errors_of_any_class_spend_no_attempt(toy: Toy, sqlstate: str, times: int) -> None:
    """The server itself raises the error."""
    runs = 0

    async def troubled(event: CartCheckedOutV1, tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        if runs <= times:
            await tx.execute(f"do $$ begin raise exception 'trouble' using errcode = '{sqlstate}'; end $$")
        await effect(tx, event.order_id)

    async with toy.running(subscription("carts", on(CartCheckedOutV1, troubled, attempts=1))):
        await toy.publish(event := a_checkout())
        async with asyncio.timeout(100):
            await toy.until_effects(1)
        await toy.until_idle()
    assert await toy.effects() == [(event.order_id, "handled")]
    assert await toy.dead() == []
