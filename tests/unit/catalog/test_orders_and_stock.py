"""What orders do to stock, whatever reaches the catalog in which order."""

from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from catalog import handlers
from catalog.domain import Price, Product, Reservation, State, Status
from contracts import Event, Money
from contracts.cart import Line
from contracts.catalog import (
    RejectionReason,
    ReservationDueV1,
    ReservationExpiredV1,
    StockRejectedV1,
    StockReleasedV1,
    StockReservedV1,
)
from contracts.checkout import CancellationReason, OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from infra.messaging import Reject, RetryLater
from infra.storage import new_id
from infra.testing import Memory

EUR = Price(100, "EUR")


def a_product(on_hand: int, *, price: Price = EUR) -> Product:
    return Product(new_id(), "sam", "Oak table", "tables", price, on_hand, low_stock_threshold=2)


def placed(order: UUID, units: dict[UUID, int], *, amount: int = 100) -> OrderPlacedV1:
    lines = [
        Line(product_id=product, quantity=count, unit_price=Money(amount=amount, currency="EUR"))
        for product, count in units.items()
    ]
    total = Money(amount=amount * sum(units.values()), currency="EUR")
    return OrderPlacedV1(order_id=order, customer_id="ann", lines=lines, total=total)


def confirmed(order: OrderPlacedV1) -> OrderConfirmedV1:
    return OrderConfirmedV1(order_id=order.order_id, customer_id="ann", lines=order.lines, total=order.total)


def cancelled(order: OrderPlacedV1) -> OrderCancelledV1:
    return OrderCancelledV1(order_id=order.order_id, customer_id="ann", reason=CancellationReason.CUSTOMER)


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


class Orders(RuleBasedStateMachine):
    """Orders race for few units; their events come in any order, late and repeatedly."""

    orders = Bundle("orders")
    reserved = Bundle("reserved")
    """Orders that may be confirmed."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.products = [a_product(count) for count in (0, 1, 3, 8)]
        for product in self.products:
            self.memory.add(product)
        self.supplied = {product.product_id: product.on_hand for product in self.products}
        self.placed: list[OrderPlacedV1] = []
        self.confirmed: dict[UUID, OrderPlacedV1] = {}
        self.cancelled: set[UUID] = set()
        self.versions: dict[str, int] = {}

    @rule(
        target=orders,
        units=st.dictionaries(st.integers(0, 3), st.integers(1, 4), min_size=1, max_size=4),
    )
    def a_customer_orders(self, units: dict[int, int]) -> OrderPlacedV1:
        order = placed(new_id(), {self.products[index].product_id: count for index, count in units.items()})
        self.placed.append(order)
        return order

    @rule(target=reserved, order=orders)
    def it_is_placed(self, order: OrderPlacedV1) -> Any:
        return multiple(order) if self._reserves(order) else multiple()

    @rule(order=reserved)
    def it_is_confirmed(self, order: OrderPlacedV1) -> None:
        if order.order_id in self.cancelled and order.order_id not in self.confirmed:
            return  # checkout does not confirm what it cancelled
        self.confirmed[order.order_id] = order
        run(handlers.take_stock(confirmed(order), self.memory.tx))

    @rule(order=consumes(reserved))
    def it_is_confirmed_but_the_cancellation_comes_first(self, order: OrderPlacedV1) -> None:
        self.confirmed[order.order_id] = order
        self.it_is_cancelled(order)
        run(handlers.take_stock(confirmed(order), self.memory.tx))

    @rule(order=orders)
    def it_is_cancelled(self, order: OrderPlacedV1) -> None:
        self.cancelled.add(order.order_id)
        run(handlers.release_stock(cancelled(order), self.memory.tx))

    @rule(order=orders)
    def its_reservation_is_questioned(self, order: OrderPlacedV1) -> None:
        run(handlers.question_reservation(ReservationDueV1(order_id=order.order_id), self.memory.tx))

    @rule(index=st.integers(0, 3), units=st.integers(1, 3))
    def a_seller_restocks(self, index: int, units: int) -> None:
        run(handlers.restock(self.memory.tx, self.products[index].product_id, units, seller_id="sam"))
        self.supplied[self.products[index].product_id] += units

    @invariant()
    def nothing_is_oversold(self) -> None:
        for product in self.products:
            assert product.on_hand >= product.reserved >= 0

    @invariant()
    def what_is_reserved_is_what_reservations_hold(self) -> None:
        for product in self.products:
            held = sum(
                row.lines.get(product.product_id, 0)
                for row in self.memory.rows.values()
                if isinstance(row, Reservation) and row.state == State.RESERVED
            )
            assert product.reserved == held

    @invariant()
    def an_order_holds_all_its_lines_or_none(self) -> None:
        for order in self.placed:
            reservation = self.memory.rows.get((Reservation, order.order_id))
            if reservation is not None and reservation.lines:
                assert reservation.lines == {line.product_id: line.quantity for line in order.lines}

    @invariant()
    def versions_of_what_is_said_increase(self) -> None:
        said, self.memory.said = self.memory.said, []
        for event in said:
            if facts := getattr(event, "facts", None):
                assert facts.version > self.versions.get(event.subject, 0)
                self.versions[event.subject] = facts.version

    def teardown(self) -> None:
        """Every order comes to its end: what was supplied was sold or is here."""
        for order in self.placed:
            self._reserves(order)
            if order.order_id not in self.confirmed and order.order_id not in self.cancelled:
                self.it_is_cancelled(order)
        sold = dict.fromkeys(self.supplied, 0)
        for order in self.confirmed.values():
            if order.order_id not in self.cancelled:
                for line in order.lines:
                    sold[line.product_id] += line.quantity
        for product in self.products:
            assert product.reserved == 0
            assert product.on_hand == self.supplied[product.product_id] - sold[product.product_id]

    def _reserves(self, order: OrderPlacedV1) -> bool:
        before: list[Event] = list(self.memory.said)
        run(handlers.reserve_stock(order, self.memory.tx))
        return StockReservedV1 in {type(event) for event in self.memory.said[len(before) :]}


def run(handling: Coroutine[Any, Any, Any]) -> None:
    """Memory never waits, so neither does a handler."""
    try:
        handling.send(None)
    except StopIteration:
        return
    raise AssertionError("a handler waited")


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
