"""Orders reserve, take and release stock correctly, in whatever order their events arrive."""

from typing import Any

import pytest

from catalog import handlers
from catalog.domain import Price, Status
from contracts import Money
from contracts.catalog import (
    LoweredPrice,
    RejectionReason,
    ReservationDueV1,
    ReservationExpiredV1,
    StockRejectedV1,
    StockReleasedV1,
    StockReservedV1,
)
from contracts.checkout import OrderPlacedV1
from marketplace_runtime.database import new_id
from marketplace_runtime.scheduler.retry_policy import Reject, RetryLater
from marketplace_runtime.testing import InMemoryTransaction
from tests.unit.catalog.machine import Orders, a_product, cancelled, confirmed, placed


async def rejection(memory: InMemoryTransaction, order: OrderPlacedV1) -> StockRejectedV1:
    await handlers.reserve_stock(order, memory.tx)
    [published] = memory.published
    assert isinstance(published, StockRejectedV1)
    return published


async def test_an_order_reserves_all_its_lines_and_sets_a_deadline() -> None:
    memory, table, chair = InMemoryTransaction(), a_product(5), a_product(5)
    memory.add(table)
    memory.add(chair)
    order = placed(new_id(), {table.product_id: 1, chair.product_id: 4})
    await handlers.reserve_stock(order, memory.tx)
    assert (table.reserved, chair.reserved) == (1, 4)
    assert [event for event in memory.published if isinstance(event, StockReservedV1)]
    assert [event for event, _ in memory.scheduled] == [ReservationDueV1(order_id=order.order_id)]


async def test_an_order_with_one_line_short_of_stock_reserves_nothing() -> None:
    memory, table, chair = InMemoryTransaction(), a_product(5), a_product(3)
    memory.add(table)
    memory.add(chair)
    published = await rejection(memory, placed(new_id(), {table.product_id: 1, chair.product_id: 4}))
    [line] = published.lines
    assert (line.product_id, line.reason, line.requested, line.available) == (
        chair.product_id,
        RejectionReason.SOLD_OUT,
        4,
        3,
    )
    assert (table.reserved, chair.reserved) == (0, 0)


async def test_the_units_of_two_lines_of_one_product_are_added() -> None:
    memory, table = InMemoryTransaction(), a_product(3)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 2})
    twice = order.model_copy(update={"lines": [*order.lines, *order.lines]})
    published = await rejection(memory, twice)
    assert {line.reason for line in published.lines} == {RejectionReason.SOLD_OUT}


async def test_a_higher_price_rejects_the_order_and_names_today_s_price() -> None:
    memory, table = InMemoryTransaction(), a_product(5, price=Price(120, "EUR"))
    memory.add(table)
    [line] = (await rejection(memory, placed(new_id(), {table.product_id: 1}))).lines
    assert (line.reason, line.price) == (RejectionReason.PRICE_CHANGED, Money(amount=120, currency="EUR"))


@pytest.mark.parametrize("price", [Price(90, "EUR"), Price(0, "EUR")])
async def test_the_customer_pays_a_lower_price(price: Price) -> None:
    memory, table, chair = InMemoryTransaction(), a_product(5, price=price), a_product(5)
    memory.add(table)
    memory.add(chair)
    await handlers.reserve_stock(placed(new_id(), {table.product_id: 1, chair.product_id: 1}), memory.tx)
    [published] = [event for event in memory.published if isinstance(event, StockReservedV1)]
    today = Money(amount=price.amount, currency=price.currency)
    assert published.lowered == [LoweredPrice(product_id=table.product_id, price=today)]


async def test_unchanged_prices_are_not_listed_as_lowered() -> None:
    memory, table = InMemoryTransaction(), a_product(5)
    memory.add(table)
    await handlers.reserve_stock(placed(new_id(), {table.product_id: 1}), memory.tx)
    [published] = [event for event in memory.published if isinstance(event, StockReservedV1)]
    assert published.lowered is None


async def test_any_price_in_another_currency_is_refused() -> None:
    memory, table = InMemoryTransaction(), a_product(5, price=Price(1, "USD"))
    memory.add(table)
    [line] = (await rejection(memory, placed(new_id(), {table.product_id: 1}))).lines
    assert line.reason == RejectionReason.PRICE_CHANGED


async def test_a_discontinued_product_is_refused() -> None:
    memory, table = InMemoryTransaction(), a_product(5)
    memory.add(table)
    table.discontinue()
    [line] = (await rejection(memory, placed(new_id(), {table.product_id: 1}))).lines
    assert line.reason == RejectionReason.DISCONTINUED


async def test_an_unknown_product_is_refused() -> None:
    [line] = (await rejection(InMemoryTransaction(), placed(new_id(), {new_id(): 1}))).lines
    assert (line.reason, line.available, line.price) == (RejectionReason.UNKNOWN_PRODUCT, None, None)


async def test_a_rejected_order_stays_rejected_after_a_restock() -> None:
    memory, table = InMemoryTransaction(), a_product(0)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 1})
    await rejection(memory, order)
    table.restock(10)
    await handlers.reserve_stock(order, memory.tx)
    assert table.reserved == 0


async def test_an_order_whose_cancellation_arrived_first_reserves_nothing() -> None:
    memory, table = InMemoryTransaction(), a_product(5)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 1})
    await handlers.release_stock(cancelled(order), memory.tx)
    await handlers.reserve_stock(order, memory.tx)
    assert (table.reserved, memory.published) == (0, [])


async def test_a_confirmation_that_arrives_before_its_order_is_retried() -> None:
    with pytest.raises(RetryLater):
        await handlers.take_stock(confirmed(placed(new_id(), {new_id(): 1})), InMemoryTransaction().tx)


async def test_a_confirmation_of_a_rejected_order_is_refused() -> None:
    memory = InMemoryTransaction()
    order = placed(new_id(), {new_id(): 1})
    await handlers.reserve_stock(order, memory.tx)
    with pytest.raises(Reject, match="nothing was reserved"):
        await handlers.take_stock(confirmed(order), memory.tx)


async def test_cancelling_a_confirmed_order_returns_its_units() -> None:
    memory, table = InMemoryTransaction(), a_product(5)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 5})
    await handlers.reserve_stock(order, memory.tx)
    await handlers.take_stock(confirmed(order), memory.tx)
    assert (table.on_hand, table.status) == (0, Status.SOLD_OUT)
    await handlers.release_stock(cancelled(order), memory.tx)
    assert (table.on_hand, table.reserved, table.status) == (5, 0, Status.ON_SALE)
    assert memory.published[-1] == StockReleasedV1(order_id=order.order_id)


@pytest.mark.parametrize("end", [handlers.take_stock, handlers.release_stock])
async def test_only_an_open_reservation_expires(end: Any) -> None:
    memory, table = InMemoryTransaction(), a_product(5)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 1})
    await handlers.reserve_stock(order, memory.tx)
    due = ReservationDueV1(order_id=order.order_id)
    await handlers.expire_reservation(due, memory.tx)
    assert memory.published[-1] == ReservationExpiredV1(order_id=order.order_id)
    assert table.reserved == 1
    await end(confirmed(order) if end is handlers.take_stock else cancelled(order), memory.tx)
    before = list(memory.published)
    await handlers.expire_reservation(due, memory.tx)
    assert memory.published == before


TestOrders = Orders.TestCase
