"""The rules of a cart.

A line counts `quantity` units, of which `in_checkout` are in open orders. The confirmation of an order removes its
units from both counts. A cancellation removes them from `in_checkout` only, so that they can be bought again.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from cart.domain.checkout import Checkout, State
from cart.domain.copies import ProductCopy, Status
from cart.domain.errors import (
    EmptyCart,
    NoLongerSold,
    NothingToBuy,
    NotSold,
    OtherCurrency,
    StillInCheckout,
    TooExpensive,
    TooManyLines,
)
from cart.domain.lines import CheckoutItem, Line, total

MAX_LINES = 50
"""Lines in one cart."""
MAX_TOTAL_MINOR_UNITS = 10**12
"""Value of one cart in minor units."""


@dataclass(frozen=True)
class CheckedOut:
    """The customer ordered these lines. `address_id` is the delivery address, None if none is known."""

    order_id: UUID
    items: list[CheckoutItem]
    address_id: UUID | None


@dataclass(frozen=True)
class Abandoned:
    """The customer left these products in the cart for longer than the abandonment period."""

    product_ids: list[UUID]

    def limited_to(self, on_sale: Collection[UUID]) -> "list[Abandoned]":
        """Return this change with only the products that are on sale, or an empty list if none is."""
        left = [product_id for product_id in self.product_ids if product_id in on_sale]
        return [Abandoned(left)] if left else []


CartChange = CheckedOut | Abandoned
"""A change of a cart. Each is published as an event."""


@dataclass
class Cart:
    """One customer's cart. `watched` is true while an abandonment deadline is scheduled for it."""

    customer_id: str
    touched_at: datetime
    watched: bool = False
    lines: dict[UUID, Line] = field(default_factory=dict)

    @property
    def not_in_checkout(self) -> list[Line]:
        """The lines with units that are not in an open order, sorted by product id."""
        return sorted((line for line in self.lines.values() if line.not_in_checkout), key=lambda line: line.product_id)

    def put(self, product: ProductCopy, quantity: int) -> None:
        """Set the total quantity of a product, at its current price. A discontinued product can only be reduced.

        Raises the `Refused` error that applies.
        """
        line = self.lines.get(product.product_id)
        if product.status == Status.DISCONTINUED and (line is None or quantity >= line.quantity):
            raise NoLongerSold(product.product_id) if line else NotSold(product.product_id)
        others = [other for other in self.lines.values() if other is not line]
        currency = product.price.currency
        if other_currencies := [other.unit_price.currency for other in others if other.unit_price.currency != currency]:
            raise OtherCurrency(product.product_id, cart=other_currencies[0], product=currency)
        if line is None and len(others) >= MAX_LINES:
            raise TooManyLines
        if line is not None and quantity < line.in_checkout:
            raise StillInCheckout(product.product_id)
        if total([*others, CheckoutItem(product.product_id, quantity, product.price)]).amount > MAX_TOTAL_MINOR_UNITS:
            raise TooExpensive
        if line is None:
            self.lines[product.product_id] = Line(self.customer_id, product.product_id, quantity, product.price)
        else:
            line.quantity, line.unit_price = quantity, product.price

    def remove(self, product_id: UUID) -> None:
        """Remove a product, except units in open orders. Does nothing if it is not in the cart."""
        line = self.lines.get(product_id)
        if line is None:
            return
        line.quantity = line.in_checkout
        if not line.quantity:
            del self.lines[product_id]

    def empty(self) -> None:
        """Remove all products, except units in open orders."""
        for product_id in list(self.lines):
            self.remove(product_id)

    def check_out(
        self, order_id: UUID, discontinued: Collection[UUID], address_id: UUID | None = None
    ) -> tuple[Checkout, list[CartChange]]:
        """Order all units that are not in an open order, at the prices that the customer saw.

        The catalog decides whether there is enough stock. Raises `NothingToBuy`, or `NoLongerSold` if a product is
        discontinued.
        """
        left = self.not_in_checkout
        if not left:
            raise NothingToBuy if self.lines else EmptyCart
        if gone := [line.product_id for line in left if line.product_id in discontinued]:
            raise NoLongerSold(*gone)
        items = [CheckoutItem(line.product_id, line.not_in_checkout, line.unit_price) for line in left]
        for line in left:
            line.in_checkout = line.quantity
        checkout = Checkout(order_id, self.customer_id, {item.product_id: item.quantity for item in items})
        return checkout, [CheckedOut(order_id, items, address_id)]

    def confirm(self, checkout: Checkout) -> None:
        """Remove the units of a paid order from the cart, also if its cancellation was handled first."""
        if checkout.state == State.CONFIRMED:
            return
        if checkout.state == State.OPEN:
            self._release_units(checkout)
        checkout.state = State.CONFIRMED
        for product_id, quantity in checkout.quantities.items():
            if line := self.lines.get(product_id):
                # after a cancellation, the customer may have removed the units, or ordered them again
                line.quantity -= min(quantity, line.not_in_checkout)
                if line.quantity == 0:
                    del self.lines[product_id]

    def cancel(self, checkout: Checkout) -> bool:
        """Make the units of a cancelled order available in the cart again.

        Returns False, and changes nothing, if the order was confirmed or cancelled before.
        """
        if checkout.state != State.OPEN:
            return False
        checkout.state = State.CANCELLED
        self._release_units(checkout)
        return True

    def touch(self, now: datetime) -> bool:
        """Record that the customer used the cart. Returns True if an abandonment deadline must be scheduled."""
        self.touched_at = now
        if self.watched or not self.not_in_checkout:
            return False
        self.watched = True
        return True

    def time_until_abandoned(self, now: datetime, abandoned_after: timedelta) -> timedelta:
        """Return the time left until the cart counts as abandoned. Zero or less if it does already.

        It does when `abandoned_after` has passed since its last use.
        """
        return self.touched_at + abandoned_after - now

    def abandon(self) -> list[Abandoned]:
        """Stop watching the cart until it is used again.

        Returns no change if all units are in open orders: then nothing was abandoned.
        """
        self.watched = False
        left = [line.product_id for line in self.not_in_checkout]
        return [Abandoned(left)] if left else []

    def _release_units(self, checkout: Checkout) -> None:
        for product_id, quantity in checkout.quantities.items():
            self.lines[product_id].in_checkout -= quantity
