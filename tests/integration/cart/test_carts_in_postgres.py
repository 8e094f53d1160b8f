"""Carts, checkouts and product copies in a real database."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import event as sqlalchemy_event

from cart import handlers, store
from cart.domain import Cart, NoLongerSold, NothingToBuy, Price, ProductCopy, UnknownProduct
from cart.handlers import LATE
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
from tests.integration.alone import said
from tests.integration.cart.hearing import deadlines, hear

DUE = AbandonmentDueV1(customer_id="ann")


def facts(version: int = 1, amount: int = 100, status: ProductStatus = ProductStatus.ON_SALE) -> ProductFacts:
    price = Money(amount=amount, currency="EUR")
    return ProductFacts(version=version, name="Oak table", category="tables", price=price, status=status)


async def listed(database: Database, count: int = 1) -> list[UUID]:
    products = [new_id() for _ in range(count)]
    await hear(
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
async def test_the_newest_facts_win_in_whatever_order_they_come(
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
        await hear(database, *batch)
    async with database.transaction() as tx:
        known = (await store.products_of(tx, [product]))[product]
    assert (known.version, known.price, known.status) == (3, Price(120, "EUR"), "sold-out")


async def test_a_product_that_the_cart_never_heard_of_is_refused(database: Database) -> None:
    with pytest.raises(UnknownProduct):
        await put(database, new_id(), 1)


async def test_a_checkout_sends_the_price_that_the_customer_saw(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 2)
    await hear(database, PriceChangedV1(product_id=product, facts=facts(2, amount=120)))
    order = await check_out(database)
    seen = {"amount": 100, "currency": "EUR"}
    assert await said(database) == [
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
    await hear(database, ProductDiscontinuedV1(product_id=product, facts=gone))
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
    await hear(database, confirmed(order), confirmed(order))
    await hear(database, confirmed(order), cancelled(order))
    assert await counts(database) == {products[1]: (1, 0)}


async def test_cancellation_makes_lines_available_again(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 2)
    order = await check_out(database)
    await hear(database, cancelled(order))
    await hear(database, cancelled(order))
    assert await counts(database) == {product: (2, 0)}
    assert await check_out(database) != order


async def test_orders_of_nobodys_cart_change_nothing(database: Database) -> None:
    await hear(database, confirmed(new_id()), cancelled(new_id()))
    assert await said(database) == []


async def test_two_checkouts_at_once_order_once(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    results = await asyncio.gather(*(check_out(database) for _ in range(8)), return_exceptions=True)
    assert [type(result) for result in results if not isinstance(result, UUID)] == [NothingToBuy] * 7
    assert len(await said(database)) == 1


async def test_a_new_customers_first_requests_may_come_together(database: Database) -> None:
    products = await listed(database, 8)
    await asyncio.gather(*(put(database, product, 1) for product in products))
    assert await counts(database) == dict.fromkeys(products, (1, 0))


async def test_one_deadline_watches_a_cart_however_often_it_is_touched(database: Database) -> None:
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
    await hear(database, DUE)
    await hear(database, DUE)
    assert await said(database) == [("cart-abandoned", {"customer_id": "ann", "product_ids": [str(product)]})]
    await put(database, product, 2)
    assert len(await deadlines(database)) == 2, "the first has not been removed, since no runtime ran it"


async def test_a_cart_touched_since_is_looked_at_again_when_the_rest_has_passed(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await touched_ago(database, settings().abandoned_after / 2)
    await lose_deadline(database)  # as the runtime does when it runs one
    await hear(database, DUE, DUE)
    assert await said(database) == []
    [again] = await deadlines(database)
    assert abs(again - datetime.now(UTC) - settings().abandoned_after / 2) < timedelta(seconds=10)


async def test_who_is_reminded_can_buy_what_they_are_reminded_of(database: Database) -> None:
    sold, gone, sold_out = await listed(database, 3)
    for product in (sold, gone, sold_out):
        await put(database, product, 1)
    await put(database, gone, 1, customer="bob")
    await hear(
        database,
        ProductDiscontinuedV1(product_id=gone, facts=facts(2, status=ProductStatus.DISCONTINUED)),
        ProductSoldOutV1(product_id=sold_out, facts=facts(2, status=ProductStatus.SOLD_OUT)),
    )
    async with database.transaction() as tx:
        await tx.execute("update carts set touched_at = now() - interval '1 day'")
    await hear(database, DUE, AbandonmentDueV1(customer_id="bob"))
    assert await said(database) == [("cart-abandoned", {"customer_id": "ann", "product_ids": [str(sold)]})]


async def test_a_lost_deadline_is_replaced_when_the_customer_comes_back(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await lose_deadline(database)
    await touched_ago(database, LATE * 2)
    await put(database, product, 2)
    await put(database, product, 3)
    assert len(await deadlines(database)) == 1


async def test_a_sweep_finds_neglected_carts_whose_deadline_got_lost(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await put(database, product, 1, customer="bob")
    await lose_deadline(database)
    assert await swept(database) == 0, "it is not late"
    await touched_ago(database, settings().abandoned_after + LATE * 2)
    assert await swept(database) == 1
    assert await swept(database) == 0, "somebody looks again"
    [due] = await deadlines(database)
    assert due - datetime.now(UTC) < timedelta(seconds=1)
    await hear(database, DUE)
    assert await said(database) == [("cart-abandoned", {"customer_id": "ann", "product_ids": [str(product)]})]
    await lose_deadline(database)
    assert await swept(database) == 0, "nobody waits for anything any more"


async def test_a_deadline_that_is_a_dead_letter_is_no_lost_one(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    await lose_deadline(database)
    await touched_ago(database, settings().abandoned_after + LATE * 2)
    async with database.transaction() as tx:
        headers = {"cloudEvents_subject": "ann"}
        letter = DeadLetter("key", "abandonment", new_id(), DUE.type, "why", "error", 12, None, headers, b"{}")
        await dead_letters.file(tx, [letter])
    assert await swept(database) == 0
    async with database.transaction() as tx:
        await tx.execute("delete from messaging.dead_letters")
    assert await swept(database) == 1


async def test_a_cart_that_is_being_bought_is_not_abandoned(database: Database) -> None:
    [product] = await listed(database)
    await put(database, product, 1)
    order = await check_out(database)
    await touched_ago(database, settings().abandoned_after)
    await hear(database, DUE)
    assert [type for type, _ in await said(database)] == ["cart-checked-out"]
    await hear(database, cancelled(order))
    assert len(await deadlines(database)) == 2, "what came back into the cart is watched again"


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
    await hear(database, *events)
    assert len(seen) <= 6, seen
    assert await counts(database, customer="customer-7") == {}


async def test_a_batch_of_facts_takes_few_statements(database: Database) -> None:
    products = await listed(database, 50)
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    sqlalchemy_event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    await hear(
        database,
        *(PriceChangedV1(product_id=product, facts=facts(2, amount=120)) for product in products),
    )
    assert len(seen) == 2, seen
    async with database.transaction() as tx:
        product = await tx.peek(ProductCopy, products[-1])
    assert product is not None
    assert product.price == Price(120, "EUR")
