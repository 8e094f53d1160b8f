"""What orders do to stock, whatever reaches the catalog in which order."""

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
from marketplace_runtime.testing import Memory
from tests.unit.catalog.machine import Orders, a_product, cancelled, confirmed, placed


async def rejection(memory: Memory, order: OrderPlacedV1) -> StockRejectedV1:
    await handlers.reserve_stock(order, memory.tx)
    [said] = memory.said
    assert isinstance(said, StockRejectedV1)
    return said


async def test_an_order_reserves_all_its_lines_and_sets_a_deadline() -> None:
    memory, table, chair = Memory(), a_product(5), a_product(5)
    memory.add(table)
    memory.add(chair)
    order = placed(new_id(), {table.product_id: 1, chair.product_id: 4})
    await handlers.reserve_stock(order, memory.tx)
    assert (table.reserved, chair.reserved) == (1, 4)
    assert [event for event in memory.said if isinstance(event, StockReservedV1)]
    assert [event for event, _ in memory.scheduled] == [ReservationDueV1(order_id=order.order_id)]


async def test_one_line_too_many_reserves_nothing() -> None:
    memory, table, chair = Memory(), a_product(5), a_product(3)
    memory.add(table)
    memory.add(chair)
    said = await rejection(memory, placed(new_id(), {table.product_id: 1, chair.product_id: 4}))
    [line] = said.lines
    assert (line.product_id, line.reason, line.requested, line.available) == (
        chair.product_id,
        RejectionReason.SOLD_OUT,
        4,
        3,
    )
    assert (table.reserved, chair.reserved) == (0, 0)


async def test_two_lines_of_one_product_are_counted_together() -> None:
    memory, table = Memory(), a_product(3)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 2})
    twice = order.model_copy(update={"lines": [*order.lines, *order.lines]})
    said = await rejection(memory, twice)
    assert {line.reason for line in said.lines} == {RejectionReason.SOLD_OUT}


async def test_a_changed_price_is_refused_with_the_one_of_today() -> None:
    memory, table = Memory(), a_product(5, price=Price(120, "EUR"))
    memory.add(table)
    [line] = (await rejection(memory, placed(new_id(), {table.product_id: 1}))).lines
    assert (line.reason, line.price) == (RejectionReason.PRICE_CHANGED, Money(amount=120, currency="EUR"))


@pytest.mark.parametrize("price", [Price(90, "EUR"), Price(0, "EUR")])
async def test_a_lower_price_is_what_the_customer_pays(price: Price) -> None:
    memory, table, chair = Memory(), a_product(5, price=price), a_product(5)
    memory.add(table)
    memory.add(chair)
    await handlers.reserve_stock(placed(new_id(), {table.product_id: 1, chair.product_id: 1}), memory.tx)
    [said] = [event for event in memory.said if isinstance(event, StockReservedV1)]
    today = Money(amount=price.amount, currency=price.currency)
    assert said.lowered == [LoweredPrice(product_id=table.product_id, price=today)]


async def test_nothing_is_said_of_prices_that_are_as_ordered() -> None:
    memory, table = Memory(), a_product(5)
    memory.add(table)
    await handlers.reserve_stock(placed(new_id(), {table.product_id: 1}), memory.tx)
    [said] = [event for event in memory.said if isinstance(event, StockReservedV1)]
    assert said.lowered is None


async def test_a_price_in_another_currency_is_refused_however_low() -> None:
    memory, table = Memory(), a_product(5, price=Price(1, "USD"))
    memory.add(table)
    [line] = (await rejection(memory, placed(new_id(), {table.product_id: 1}))).lines
    assert line.reason == RejectionReason.PRICE_CHANGED


async def test_a_discontinued_product_is_refused() -> None:
    memory, table = Memory(), a_product(5)
    memory.add(table)
    table.discontinue()
    [line] = (await rejection(memory, placed(new_id(), {table.product_id: 1}))).lines
    assert line.reason == RejectionReason.DISCONTINUED


async def test_an_unknown_product_is_refused() -> None:
    [line] = (await rejection(Memory(), placed(new_id(), {new_id(): 1}))).lines
    assert (line.reason, line.available, line.price) == (RejectionReason.UNKNOWN_PRODUCT, None, None)


async def test_a_rejected_order_stays_rejected_when_stock_comes() -> None:
    memory, table = Memory(), a_product(0)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 1})
    await rejection(memory, order)
    table.restock(10)
    await handlers.reserve_stock(order, memory.tx)
    assert table.reserved == 0


async def test_an_order_cancelled_before_it_came_reserves_nothing() -> None:
    memory, table = Memory(), a_product(5)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 1})
    await handlers.release_stock(cancelled(order), memory.tx)
    await handlers.reserve_stock(order, memory.tx)
    assert (table.reserved, memory.said) == (0, [])


async def test_a_confirmation_that_overtook_its_order_waits() -> None:
    with pytest.raises(RetryLater):
        await handlers.take_stock(confirmed(placed(new_id(), {new_id(): 1})), Memory().tx)


async def test_a_confirmation_of_a_rejected_order_is_refused() -> None:
    memory = Memory()
    order = placed(new_id(), {new_id(): 1})
    await handlers.reserve_stock(order, memory.tx)
    with pytest.raises(Reject, match="nothing was reserved"):
        await handlers.take_stock(confirmed(order), memory.tx)


async def test_cancelling_a_taken_order_puts_its_units_back() -> None:
    memory, table = Memory(), a_product(5)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 5})
    await handlers.reserve_stock(order, memory.tx)
    await handlers.take_stock(confirmed(order), memory.tx)
    assert (table.on_hand, table.status) == (0, Status.SOLD_OUT)
    await handlers.release_stock(cancelled(order), memory.tx)
    assert (table.on_hand, table.reserved, table.status) == (5, 0, Status.ON_SALE)
    assert memory.said[-1] == StockReleasedV1(order_id=order.order_id)


@pytest.mark.parametrize("end", [handlers.take_stock, handlers.release_stock])
async def test_only_a_reservation_that_still_holds_is_questioned(end: Any) -> None:
    memory, table = Memory(), a_product(5)
    memory.add(table)
    order = placed(new_id(), {table.product_id: 1})
    await handlers.reserve_stock(order, memory.tx)
    due = ReservationDueV1(order_id=order.order_id)
    await handlers.question_reservation(due, memory.tx)
    assert memory.said[-1] == ReservationExpiredV1(order_id=order.order_id)
    assert table.reserved == 1
    await end(confirmed(order) if end is handlers.take_stock else cancelled(order), memory.tx)
    before = list(memory.said)
    await handlers.question_reservation(due, memory.tx)
    assert memory.said == before


TestOrders = Orders.TestCase
