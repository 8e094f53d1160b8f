"""A state machine of orders and stock for Hypothesis, and builders of its events."""

from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from catalog import handlers
from catalog.domain import Price, Product, Reservation, State
from contracts import Event, Money
from contracts.cart import Line
from contracts.catalog import (
    ReservationDueV1,
    StockReservedV1,
)
from contracts.checkout import CancellationReason, OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from marketplace_runtime.database import new_id
from marketplace_runtime.testing import InMemoryTransaction
from tests.examples import examples

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


class Orders(RuleBasedStateMachine):
    """Orders compete for few units. Their events arrive in any order, late and more than once."""

    orders = Bundle("orders")
    reserved = Bundle("reserved")
    """Orders that may be confirmed."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = InMemoryTransaction()
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
            return  # checkout does not confirm an order that it cancelled
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
    def its_reservation_is_due(self, order: OrderPlacedV1) -> None:
        run(handlers.expire_reservation(ReservationDueV1(order_id=order.order_id), self.memory.tx))

    @rule(index=st.integers(0, 3), units=st.integers(1, 3))
    def a_seller_restocks(self, index: int, units: int) -> None:
        run(handlers.restock(self.memory.tx, self.products[index].product_id, units, seller_id="sam"))
        self.supplied[self.products[index].product_id] += units

    @invariant()
    def no_product_is_oversold(self) -> None:
        for product in self.products:
            assert product.on_hand >= product.reserved >= 0

    @invariant()
    def reserved_units_equal_those_that_reservations_hold(self) -> None:
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
    def versions_of_published_facts_increase(self) -> None:
        published, self.memory.published = self.memory.published, []
        for event in published:
            if facts := getattr(event, "facts", None):
                assert facts.version > self.versions.get(event.subject, 0)
                self.versions[event.subject] = facts.version

    def teardown(self) -> None:
        """End every order. Then all supplied units are either sold or still on hand."""
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
        before: list[Event] = list(self.memory.published)
        run(handlers.reserve_stock(order, self.memory.tx))
        return StockReservedV1 in {type(event) for event in self.memory.published[len(before) :]}


def run(handling: Coroutine[Any, Any, Any]) -> None:
    """Run a handler to its end. It never waits, since Memory never waits."""
    try:
        handling.send(None)
    except StopIteration:
        return
    raise AssertionError("a handler waited")


Orders.TestCase.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
