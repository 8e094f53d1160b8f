"""Tests the journal and its read model in a real database."""

from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm.exc import StaleDataError

from checkout import handlers, store
from checkout.domain import Money, Order, Reason, RejectedLine, placing
from infra.stack import DatabaseUrls
from marketplace_runtime.database import Database, is_conflict
from tests.integration.checkout.orders import LINE, NOON, an_order, confirmed


async def placed(database: Database, customer: str = "ada") -> UUID:
    async with database.transaction() as tx:
        order, journal = an_order(customer=customer)
        store.save(tx, order, journal)
    return order.order_id


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.transaction() as tx:
        found = await tx.session.execute(text("select * from orders order by order_id"))
        return [dict(row._mapping) for row in found]


async def confirm(database: Database, order_id: UUID) -> None:
    async with database.transaction() as tx:
        order = await tx.get(Order, order_id)
        assert order
        store.save(tx, order, confirmed(order))


async def test_a_stored_order_is_read_back_unchanged(database: Database) -> None:
    order_id = await placed(database)
    today = RejectedLine(LINE.product_id, "price-changed", 2, 5, Money(900, "EUR"))
    async with database.transaction() as tx:
        order = await tx.get(Order, order_id)
        assert order
        store.save(tx, order, placing.reject(order, [today], NOON))
    async with database.transaction() as tx:
        kept = await store.order_for_reading(tx, order_id)
        assert kept == Order.fold(await store.journal_of(tx, order_id))
        assert kept
        assert (kept.rejected_lines, kept.reason, kept.total) == ((today,), Reason.PRICE_CHANGED, Money(1400, "EUR"))


@pytest.mark.parametrize("page", [2, 3, 1000])
async def test_a_rebuilt_read_model_has_the_same_rows(database: Database, page: int) -> None:
    for number in range(7):
        order_id = await placed(database, f"customer-{number % 2}")
        if number % 3 == 0:
            await confirm(database, order_id)
    before = await rows(database)
    async with database.transaction() as tx:
        await tx.session.execute(text("update orders set status = 'delivered'"))
    async with database.transaction() as tx:
        assert await store.rebuild(tx, page=page) == 7
    assert await rows(database) == before


async def test_a_stale_write_is_refused(database: Database) -> None:
    order_id = await placed(database)
    async with database.transaction() as mine:
        stale = await store.order_for_reading(mine, order_id)
        assert stale
        await confirm(database, order_id)
        store.save(mine, stale, placing.cancel_unanswered(stale, NOON))
        with pytest.raises(Exception) as refused:
            await mine.flush()
        assert is_conflict(refused.value) or isinstance(refused.value, StaleDataError)
        await mine.session.rollback()
    [row] = await rows(database)
    assert row["status"] == "confirmed"


async def test_a_customer_pages_through_their_own_orders_newest_first(database: Database) -> None:
    mine = [await placed(database) for _ in range(5)]
    await placed(database, "eve")
    seen: list[UUID] = []
    async with database.transaction() as tx:
        while page := await store.orders_of(tx, "ada", before=seen[-1] if seen else None, limit=2):
            seen += [order.order_id for order in page]
    assert seen == sorted(mine, reverse=True)


async def test_a_batch_of_events_loads_its_orders_in_one_statement(database: Database) -> None:
    from contracts.checkout import ShippingOverdueV1

    ids = [await placed(database) for _ in range(3)]
    for order_id in ids:
        await confirm(database, order_id)
    events = [ShippingOverdueV1(order_id=order_id) for order_id in ids]
    async with database.transaction() as tx:
        await store.load_orders(events, tx)
        assert len(tx.session.identity_map) == 3
        for event in events:
            await handlers.note_delay(event, tx)
    assert [row["shipping_delayed"] for row in await rows(database)] == [True, True, True]


async def test_the_migrated_tables_match_the_mapping(urls: DatabaseUrls) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name != "alembic_version",
            },
        )
        return list(compare_metadata(context, store.metadata))

    engine = create_async_engine(make_url(urls.owner).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
