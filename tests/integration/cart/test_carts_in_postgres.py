"""Stores carts, checkouts and copies of products in a real database."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event as sqlalchemy_event

from cart import handlers, store
from cart.domain import Cart, NoLongerSold, NothingToBuy, Price, ProductCopy, UnknownProduct
from cart.handlers import LOST_DEADLINE_GRACE_PERIOD
from cart.settings import settings
from contracts import Money
from contracts.cart import AbandonmentDueV1, Line
from contracts.catalog import (
    PriceChangedV1,
    ProductDiscontinuedV1,
    ProductFacts,
    ProductListedV1,
    ProductSoldOutV1,
    ProductStatus,
)
from contracts.checkout import CancellationReason, OrderCancelledV1, OrderConfirmedV1
from marketplace_runtime.amqp import DeadLetter
from marketplace_runtime.database import Database, new_id
from marketplace_runtime.dead_letters import table as dead_letters
from tests.integration.cart.receiving import deadlines, receive
from tests.integration.one_service import published_events

DUE = AbandonmentDueV1(customer_id="ann")


def facts(version: int = 1, amount: int = 100, status: ProductStatus = ProductStatus.ON_SALE) -> ProductFacts:
    price = Money(amount=amount, currency="EUR")
    return ProductFacts(version=version, name="Oak table", category="tables", price=price, status=status)


async def listed(database: Database, count: int = 1) -> list[UUID]:
    products = [new_id() for _ in range(count)]
    await receive(
        database,
        *(ProductListedV1(product_id=product, seller_id="sam", facts=facts()) for product in products),
    )
    return products


async def put(database: Database, product: UUID, quantity: int, *, customer: str = "ann") -> None:
    async with database.transaction() as tx:
        await handlers.put_item(tx, customer, product, quantity)


async def remove(database: Database, product: UUID) -> None:
    async with database.transaction() as tx:
        await handlers.remove_item(tx, "ann", product)


async def check_out(database: Database, *, customer: str = "ann") -> UUID:
    async with database.transaction() as tx:
        return await handlers.check_out(tx, customer)


async def counts(database: Database, *, customer: str = "ann") -> dict[UUID, tuple[int, int]]:
    async with database.transaction() as tx:
        cart = await tx.peek(Cart, customer)
        assert cart is not None
        return {product: (line.quantity, line.in_checkout) for product, line in cart.lines.items()}


async def touched_ago(database: Database, ago: timedelta) -> None:
    async with database.transaction() as tx:
        await tx.execute("update carts set touched_at = $1 where customer_id = 'ann'", datetime.now(UTC) - ago)


async def lose_deadline(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("delete from messaging.scheduled")


async def swept(database: Database) -> int:
    async with database.transaction() as tx:
        return await handlers.find_neglected(tx)


def confirmed(order: UUID, *products: UUID, customer: str = "ann") -> OrderConfirmedV1:
    price = Money(amount=100, currency="EUR")
    lines = [Line(product_id=product, quantity=1, unit_price=price) for product in products or [new_id()]]
    return OrderConfirmedV1(order_id=order, customer_id=customer, lines=lines, total=price)


def cancelled(order: UUID, customer: str = "ann") -> OrderCancelledV1:
    return OrderCancelledV1(order_id=order, customer_id=customer, reason=CancellationReason.CUSTOMER)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("batched", [True, False])
async def test_the_newest_facts_win_in_any_order_of_arrival(
    database: Database, order: tuple[int, ...], batched: bool
) -> None:
    product = new_id()
    changes = [
        ProductListedV1(product_id=product, seller_id="sam", facts=facts(1)),
        PriceChangedV1(product_id=product, facts=facts(2, amount=120)),
        ProductSoldOutV1(product_id=product, facts=facts(3, amount=120, status=ProductStatus.SOLD_OUT)),
    ]
    shuffled = [changes[index] for index in order]
    for batch in [shuffled] if batched else [[change] for change in shuffled]:
        await receive(database, *batch)
    async with database.transaction() as tx:
        known = (await store.products_of(tx, [product]))[product]
    assert (known.version, known.price, known.status) == (3, Price(120, "EUR"), "sold-out")


async def test_an_unknown_product_cannot_be_put_into_the_cart(database: Database) -> None:
    with pytest.raises(UnknownProduct):
        await put(database, new_id(), 1)


async def test_a_checkout_sends_the_price_that_the_customer_saw(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 2)
    await receive(database, PriceChangedV1(product_id=product, facts=facts(2, amount=120)))
    order = await check_out(database)
    seen = {"amount": 100, "currency": "EUR"}
    assert await published_events(database) == [
        (
            "cart-checked-out",
            {
                "order_id": str(order),
                "customer_id": "ann",
                "lines": [{"product_id": str(product), "quantity": 2, "unit_price": seen}],
                "total": {"amount": 200, "currency": "EUR"},
            },
        )
    ]
    assert await counts(database) == {product: (2, 2)}


async def test_a_discontinued_product_stops_the_checkout(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 2)
    gone = facts(2, status=ProductStatus.DISCONTINUED)
    await receive(database, ProductDiscontinuedV1(product_id=product, facts=gone))
    with pytest.raises(NoLongerSold):
        await check_out(database)
    assert await counts(database) == {product: (2, 0)}
    await remove(database, product)
    assert await counts(database) == {}


async def test_confirmation_empties_the_cart_of_what_was_bought(database: Database) -> None:
    products = await listed(database, 2)
    await put(database, products[0], 2)
    order = await check_out(database)
    await put(database, products[1], 1)
    await receive(database, confirmed(order), confirmed(order))
    await receive(database, confirmed(order), cancelled(order))
    assert await counts(database) == {products[1]: (1, 0)}


async def test_cancellation_makes_lines_available_again(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 2)
    order = await check_out(database)
    await receive(database, cancelled(order))
    await receive(database, cancelled(order))
    assert await counts(database) == {product: (2, 0)}
    assert await check_out(database) != order


async def test_events_of_orders_without_a_cart_change_nothing(database: Database) -> None:
    await receive(database, confirmed(new_id()), cancelled(new_id()))
    assert await published_events(database) == []


async def test_two_concurrent_checkouts_place_one_order(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    results = await asyncio.gather(*(check_out(database) for _ in range(8)), return_exceptions=True)
    assert [type(result) for result in results if not isinstance(result, UUID)] == [NothingToBuy] * 7
    assert len(await published_events(database)) == 1


async def test_a_new_customers_first_requests_may_be_concurrent(database: Database) -> None:
    products = await listed(database, 8)
    await asyncio.gather(*(put(database, product, 1) for product in products))
    assert await counts(database) == dict.fromkeys(products, (1, 0))


async def test_a_cart_has_one_deadline_however_often_it_changes(database: Database) -> None:
    products = await listed(database, 2)
    for product in products:
        await put(database, product, 1)
    await remove(database, products[0])
    [due] = await deadlines(database)
    assert abs(due - datetime.now(UTC) - settings().abandoned_after) < timedelta(seconds=10)


async def test_a_cart_left_alone_is_abandoned_once(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await touched_ago(database, settings().abandoned_after)
    await receive(database, DUE)
    await receive(database, DUE)
    assert await published_events(database) == [
        ("cart-abandoned", {"customer_id": "ann", "product_ids": [str(product)]})
    ]
    await put(database, product, 2)
    assert len(await deadlines(database)) == 2, "the first deadline stays, since no runtime ran it"


async def test_a_cart_that_changed_meanwhile_gets_a_deadline_for_the_remaining_time(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await touched_ago(database, settings().abandoned_after / 2)
    await lose_deadline(database)  # the runtime removes a deadline that it runs
    await receive(database, DUE, DUE)
    assert await published_events(database) == []
    [again] = await deadlines(database)
    assert abs(again - datetime.now(UTC) - settings().abandoned_after / 2) < timedelta(seconds=10)


async def test_a_reminder_names_only_products_that_can_be_bought(database: Database) -> None:
    sold, gone, sold_out = await listed(database, 3)
    for product in (sold, gone, sold_out):
        await put(database, product, 1)
    await put(database, gone, 1, customer="bob")
    await receive(
        database,
        ProductDiscontinuedV1(product_id=gone, facts=facts(2, status=ProductStatus.DISCONTINUED)),
        ProductSoldOutV1(product_id=sold_out, facts=facts(2, status=ProductStatus.SOLD_OUT)),
    )
    async with database.transaction() as tx:
        await tx.execute("update carts set touched_at = now() - interval '1 day'")
    await receive(database, DUE, AbandonmentDueV1(customer_id="bob"))
    assert await published_events(database) == [("cart-abandoned", {"customer_id": "ann", "product_ids": [str(sold)]})]


async def test_a_lost_deadline_is_replaced_when_the_customer_comes_back(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await lose_deadline(database)
    await touched_ago(database, LOST_DEADLINE_GRACE_PERIOD * 2)
    await put(database, product, 2)
    await put(database, product, 3)
    assert len(await deadlines(database)) == 1


async def test_a_sweep_finds_abandoned_carts_whose_deadline_was_lost(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await put(database, product, 1, customer="bob")
    await lose_deadline(database)
    assert await swept(database) == 0, "the deadline is not late yet"
    await touched_ago(database, settings().abandoned_after + LOST_DEADLINE_GRACE_PERIOD * 2)
    assert await swept(database) == 1
    assert await swept(database) == 0, "a new deadline is scheduled"
    [due] = await deadlines(database)
    assert due - datetime.now(UTC) < timedelta(seconds=1)
    await receive(database, DUE)
    assert await published_events(database) == [
        ("cart-abandoned", {"customer_id": "ann", "product_ids": [str(product)]})
    ]
    await lose_deadline(database)
    assert await swept(database) == 0, "no cart waits for a deadline any more"


async def test_a_deadline_in_the_dead_letters_does_not_count_as_lost(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await lose_deadline(database)
    await touched_ago(database, settings().abandoned_after + LOST_DEADLINE_GRACE_PERIOD * 2)
    async with database.transaction() as tx:
        headers = {"cloudEvents_subject": "ann"}
        letter = DeadLetter("key", "abandonment", new_id(), DUE.type, "why", "error", 12, None, headers, b"{}")
        await dead_letters.store(tx, [letter])
    assert await swept(database) == 0
    async with database.transaction() as tx:
        await tx.execute("delete from messaging.dead_letters")
    assert await swept(database) == 1


async def test_a_cart_in_checkout_is_not_abandoned(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    order = await check_out(database)
    await touched_ago(database, settings().abandoned_after)
    await receive(database, DUE)
    assert [type for type, _ in await published_events(database)] == ["cart-checked-out"]
    await receive(database, cancelled(order))
    assert len(await deadlines(database)) == 2, "lines that returned to the cart have a deadline again"


async def test_a_batch_of_confirmations_takes_few_statements(database: Database) -> None:
    products = await listed(database, 3)
    events = []
    for number in range(30):
        customer = f"customer-{number}"
        for product in products:
            await put(database, product, 1, customer=customer)
        order = await check_out(database, customer=customer)
        events.append(confirmed(order, *products, customer=customer))
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    sqlalchemy_event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    await receive(database, *events)
    assert len(seen) <= 6, seen
    assert await counts(database, customer="customer-7") == {}


async def test_a_batch_of_facts_takes_few_statements(database: Database) -> None:
    products = await listed(database, 50)
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    sqlalchemy_event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    await receive(
        database,
        *(PriceChangedV1(product_id=product, facts=facts(2, amount=120)) for product in products),
    )
    assert len(seen) == 2, seen
    async with database.transaction() as tx:
        product = await tx.peek(ProductCopy, products[-1])
    assert product is not None
    assert product.price == Price(120, "EUR")
