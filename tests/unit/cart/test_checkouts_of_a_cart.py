"""A cart and its checkouts, in whatever order requests and events arrive."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from cart.domain import Cart, Checkout, Price, ProductCopy, Refused, State, Status
from marketplace_runtime.database import new_id
from tests.examples import examples


class Checkouts(RuleBasedStateMachine):
    """A customer fills the cart and checks out. Confirmations and cancellations arrive late, twice and out of order."""

    checkouts = Bundle("checkouts")

    def __init__(self) -> None:
        super().__init__()
        self.cart = Cart("ann", datetime(2026, 6, 1, tzinfo=UTC))
        self.products = [
            ProductCopy(new_id(), f"Table {index}", Price(100, "EUR"), Status.ON_SALE, 1) for index in range(3)
        ]
        self.open: dict[UUID, Checkout] = {}
        self.ever: list[Checkout] = []

    @rule(index=st.integers(0, 2), quantity=st.integers(1, 5))
    def put(self, index: int, quantity: int) -> None:
        try:
            self.cart.put(self.products[index], quantity)
        except Refused:
            assert self.in_checkout(self.products[index].product_id) > quantity

    @rule(index=st.integers(0, 2))
    def remove(self, index: int) -> None:
        try:
            self.cart.remove(self.products[index].product_id)
        except Refused:
            assert self.in_checkout(self.products[index].product_id)

    @rule(target=checkouts)
    def check_out(self) -> Any:
        left = {line.product_id: line.not_in_checkout for line in self.cart.not_in_checkout}
        try:
            checkout, _ = self.cart.check_out(new_id(), ())
        except Refused:
            assert not left
            return multiple()
        assert checkout.quantities == left
        assert not self.cart.not_in_checkout
        self.open[checkout.order_id] = checkout
        self.ever.append(checkout)
        return checkout

    @rule(checkout=checkouts)
    def confirm(self, checkout: Checkout) -> None:
        before = self.quantities()
        was = checkout.state
        self.cart.confirm(checkout)
        self.open.pop(checkout.order_id, None)
        for product, quantity in before.items():
            gone = quantity - self.quantities().get(product, 0)
            if was == State.OPEN:
                assert gone == checkout.quantities.get(product, 0)
            else:
                assert 0 <= gone <= (checkout.quantities.get(product, 0) if was == State.CANCELLED else 0)

    @rule(checkout=checkouts)
    def cancel(self, checkout: Checkout) -> None:
        before = self.quantities()
        self.cart.cancel(checkout)
        self.open.pop(checkout.order_id, None)
        assert self.quantities() == before

    @invariant()
    def units_in_checkout_are_those_of_open_checkouts(self) -> None:
        for product in self.products:
            taken = sum(checkout.quantities.get(product.product_id, 0) for checkout in self.open.values())
            assert self.in_checkout(product.product_id) == taken

    @invariant()
    def counts_are_in_range(self) -> None:
        for line in self.cart.lines.values():
            assert line.quantity > 0
            assert 0 <= line.in_checkout <= line.quantity

    def teardown(self) -> None:
        for checkout in self.ever:
            self.cart.cancel(checkout)
        assert not any(line.in_checkout for line in self.cart.lines.values())

    def in_checkout(self, product_id: UUID) -> int:
        line = self.cart.lines.get(product_id)
        return line.in_checkout if line else 0

    def quantities(self) -> dict[UUID, int]:
        return {product: line.quantity for product, line in self.cart.lines.items()}


TestCheckouts = Checkouts.TestCase
TestCheckouts.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
