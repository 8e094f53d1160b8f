"""Tests stock and reservations in a real database: batches, races and numbers of statements."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import IntegrityError

from catalog import store
from catalog.domain import Product, Reservation, State
from contracts.checkout import OrderCancelledV1, OrderPlacedV1
from marketplace_runtime.database import Database, is_conflict
from tests.integration.catalog.receiving import receive
from tests.integration.catalog.stocking import cancelled, confirmed, listed, placed, race, stock
from tests.integration.one_service import published_events


@asynccontextmanager
async def statements(database: Database) -> AsyncIterator[list[str]]:
    """Collect the SQL statements that are sent to the database during the block."""
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    engine = database._engine.sync_engine
    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sqlalchemy_event.remove(engine, "before_cursor_execute", note)


async def test_stock_of_an_order_is_reserved_then_taken_then_released(database: Database) -> None:
    products = await listed(database, 5, 3)
    order = placed({products[0]: 2, products[1]: 3})
    await receive(database, order)
    assert await stock(database, products) == [(5, 2), (3, 3)]
    await receive(database, confirmed(order))
    assert await stock(database, products) == [(3, 0), (0, 0)]
    await receive(database, cancelled(order))
    assert await stock(database, products) == [(5, 0), (3, 0)]
    assert [type for type, _ in await published_events(database)] == [
        "product-listed",
        "product-listed",
        "product-sold-out",
        "stock-reserved",
        "product-restocked",
        "stock-released",
    ]


async def test_a_batch_may_hold_the_whole_life_of_an_order(database: Database) -> None:
    products = await listed(database, 5)
    first, second = placed({products[0]: 2}), placed({products[0]: 3})
    await receive(database, first, second, confirmed(first), cancelled(second))
    assert await stock(database, products) == [(3, 0)]


async def test_an_order_that_arrives_after_its_cancellation_reserves_nothing(database: Database) -> None:
    products = await listed(database, 5)
    order = placed({products[0]: 2})
    await receive(database, cancelled(order))
    await receive(database, order)
    assert await stock(database, products) == [(5, 0)]
    async with database.transaction() as tx:
        assert await tx.peek(Reservation, order.order_id) == Reservation(order.order_id, State.RELEASED, {})


async def test_a_rejection_says_what_is_available(database: Database) -> None:
    products = await listed(database, 1, 9)
    order = placed({products[0]: 2, products[1]: 1})
    await receive(database, order)
    assert await stock(database, products) == [(1, 0), (9, 0)]
    price = {"amount": 100, "currency": "EUR"}
    assert (await published_events(database))[-1] == (
        "stock-rejected",
        {
            "order_id": str(order.order_id),
            "lines": [
                {
                    "product_id": str(products[0]),
                    "reason": "sold-out",
                    "requested": 2,
                    "available": 1,
                    "price": price,
                }
            ],
        },
    )


async def test_racing_batches_neither_oversell_nor_deadlock(database: Database) -> None:
    await race(database)


async def test_an_order_racing_with_its_cancellation_leaves_nothing_reserved(database: Database) -> None:
    products = await listed(database, 100)

    async def receive_with_retries(event: OrderPlacedV1 | OrderCancelledV1) -> None:
        while True:
            try:
                return await receive(database, event)
            except IntegrityError as error:
                if not is_conflict(error):  # the runtime would not retry it either
                    raise

    orders = [placed({products[0]: 1}) for _ in range(10)]
    await asyncio.gather(
        *(receive_with_retries(event) for order in orders for event in (order, cancelled(order))),
    )
    assert await stock(database, products) == [(100, 0)]


async def test_a_batch_of_orders_takes_few_statements(database: Database) -> None:
    products = await listed(database, *[1000] * 20)
    orders = [placed(dict.fromkeys(random.sample(products, 3), 1)) for _ in range(50)]
    for events in (orders, [confirmed(order) for order in orders], [cancelled(order) for order in orders]):
        async with statements(database) as seen:
            await receive(database, *events)
        assert len(seen) <= 6, seen


async def test_the_database_itself_refuses_to_oversell(database: Database) -> None:
    [product_id] = await listed(database, 1)

    async def oversell() -> None:
        async with database.transaction() as tx:
            product = await tx.get(Product, product_id)
            assert product is not None
            product.reserved = 2

    with pytest.raises(IntegrityError, match="products_not_oversold"):
        await oversell()


async def test_products_are_found_by_words_of_their_name_in_any_case(database: Database) -> None:
    await listed(database, 1, name="Oak table, round")
    await listed(database, 1, name="Oak chair", category="chairs")
    await listed(database, 0, name="Père's 100%_table\\")

    async def names(words: str | None, category: str | None = None) -> list[str]:
        async with database.transaction() as tx:
            page = await store.page_of_products(
                tx, words=words, category=category, discontinued=False, after=None, limit=10
            )
            return [product.name for product in page]

    assert await names("TABLE oak") == ["Oak table, round"]
    assert await names("oak", "chairs") == ["Oak chair"]
    assert await names("père") == ["Père's 100%_table\\"]
    assert await names("100% table\\") == ["Père's 100%_table\\"]
    assert await names("'; drop table products; --") == []
    assert len(await names(None)) == 3


async def test_searching_uses_an_index(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("set local enable_seqscan = off")
        await tx.execute("set local enable_indexscan = off")
        plan = await tx.execute(
            "explain select * from products where name_words @@ plainto_tsquery('simple', 'oak')"
            " order by product_id limit 21"
        )
    assert "products_by_word" in str(plan)
