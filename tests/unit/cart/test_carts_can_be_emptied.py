"""In any state, a few requests empty a cart or check it out. The messages of refusals name these requests."""

from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cart.domain import Cart, Checkout, NoLongerSold, NothingToBuy, Price, ProductCopy, Refused, Status
from marketplace_runtime.database import new_id

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PRODUCTS = st.integers(min_value=0, max_value=2)


class Shopping(RuleBasedStateMachine):
    """One customer's cart, three products, and orders that are decided at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.cart = Cart("ann", NOON)
        self.products = [ProductCopy(new_id(), "Lamp", Price(100, "EUR"), Status.ON_SALE, 1) for _ in range(3)]
        self.open: list[Checkout] = []

    @property
    def discontinued(self) -> set[UUID]:
        return {each.product_id for each in self.products if each.status is Status.DISCONTINUED}

    @rule(number=PRODUCTS, quantity=st.integers(min_value=1, max_value=4))
    def put(self, number: int, quantity: int) -> None:
        with suppress(Refused):
            self.cart.put(self.products[number], quantity)

    @rule(number=PRODUCTS)
    def remove(self, number: int) -> None:
        self.cart.remove(self.products[number].product_id)

    @rule()
    def check_out(self) -> None:
        try:
            checkout, _ = self.cart.check_out(new_id(), self.discontinued)
        except NothingToBuy:
            assert not self.cart.not_in_checkout
        except NoLongerSold as refusal:
            for product_id in refusal.product_ids:  # the message says to remove them
                self.cart.remove(product_id)
            if self.cart.not_in_checkout:
                self.open.append(self.cart.check_out(new_id(), self.discontinued)[0])
        else:
            self.open.append(checkout)

    @rule(confirmed=st.booleans())
    def decide(self, *, confirmed: bool) -> None:
        if self.open:
            decide = self.cart.confirm if confirmed else self.cart.cancel
            decide(self.open.pop())

    @rule(number=PRODUCTS, status=st.sampled_from(Status), amount=st.integers(min_value=1, max_value=300))
    def learn(self, number: int, status: Status, amount: int) -> None:
        product = self.products[number]
        if product.status is not Status.DISCONTINUED:
            product.update_if_newer(product.name, Price(amount, "EUR"), status, product.version + 1)

    @rule()
    def empty(self) -> None:
        self.cart.empty()
        assert not self.cart.not_in_checkout

    @invariant()
    def units_in_checkout_are_those_of_open_checkouts(self) -> None:
        for product_id, line in self.cart.lines.items():
            assert 0 <= line.in_checkout <= line.quantity
            assert line.quantity
            assert line.in_checkout == sum(checkout.quantities.get(product_id, 0) for checkout in self.open)


TestShopping = Shopping.TestCase
