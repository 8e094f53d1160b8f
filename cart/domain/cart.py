"""The rules of a cart.

A line counts `quantity` units, of which `in_checkout` are on their way to being bought. Confirmation
of the order removes those from both counts, cancellation only from `in_checkout`.
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
from cart.domain.lines import Bought, Line, total

MOST_LINES = 50
MOST_IN_TOTAL = 10**12


@dataclass(frozen=True)
class CheckedOut:
    """The customer ordered these lines, to be brought to this address if one is known."""

    order_id: UUID
    bought: list[Bought]
    address_id: UUID | None


@dataclass(frozen=True)
class Abandoned:
    """The customer left these products in the cart."""

    product_ids: list[UUID]

    def limited_to(self, on_sale: Collection[UUID]) -> "list[Abandoned]":
        """Keep only products that are on sale. Returns an empty list if none is."""
        left = [product_id for product_id in self.product_ids if product_id in on_sale]
        return [Abandoned(left)] if left else []


CartChange = CheckedOut | Abandoned
"""A change of a cart that is published as an event."""


@dataclass
class Cart:
    """One customer's cart. `watched` while a deadline is under way that looks at it again."""

    customer_id: str
    touched_at: datetime
    watched: bool = False
    lines: dict[UUID, Line] = field(default_factory=dict)

    @property
    def left(self) -> list[Line]:
        """Lines with something that is not being bought yet, by product."""
        return sorted((line for line in self.lines.values() if line.left), key=lambda line: line.product_id)

    def put(self, product: ProductCopy, quantity: int) -> None:
        """Want so many units in all, at the product's price of today; of what is discontinued, only fewer."""
        line = self.lines.get(product.product_id)
        if product.status == Status.DISCONTINUED and (line is None or quantity >= line.quantity):
            raise NoLongerSold(product.product_id) if line else NotSold(product.product_id)
        others = [other for other in self.lines.values() if other is not line]
        ours = product.price.currency
        if theirs := [other.unit_price.currency for other in others if other.unit_price.currency != ours]:
            raise OtherCurrency(product.product_id, cart=theirs[0], product=ours)
        if line is None and len(others) >= MOST_LINES:
            raise TooManyLines
        if line is not None and quantity < line.in_checkout:
            raise StillInCheckout(product.product_id)
        if total([*others, Bought(product.product_id, quantity, product.price)]).amount > MOST_IN_TOTAL:
            raise TooExpensive
        if line is None:
            self.lines[product.product_id] = Line(self.customer_id, product.product_id, quantity, product.price)
        else:
            line.quantity, line.unit_price = quantity, product.price

    def remove(self, product_id: UUID) -> None:
        """Take it out of the cart, but for units that are being bought. Nothing happens where it is not in there."""
        line = self.lines.get(product_id)
        if line is None:
            return
        line.quantity = line.in_checkout
        if not line.quantity:
            del self.lines[product_id]

    def empty(self) -> None:
        """Take everything out, but for units that are being bought."""
        for product_id in list(self.lines):
            self.remove(product_id)

    def check_out(
        self, order_id: UUID, discontinued: Collection[UUID], address_id: UUID | None = None
    ) -> tuple[Checkout, list[CartChange]]:
        """Buy what is left at the prices that the customer saw. Whether there is enough, the catalog decides."""
        left = self.left
        if not left:
            raise NothingToBuy if self.lines else EmptyCart
        if gone := [line.product_id for line in left if line.product_id in discontinued]:
            raise NoLongerSold(*gone)
        bought = [Bought(line.product_id, line.left, line.unit_price) for line in left]
        for line in left:
            line.in_checkout = line.quantity
        checkout = Checkout(order_id, self.customer_id, {item.product_id: item.quantity for item in bought})
        return checkout, [CheckedOut(order_id, bought, address_id)]

    def confirm(self, checkout: Checkout) -> None:
        """The order is paid: what it bought leaves the cart, also when its cancellation came first."""
        if checkout.state == State.CONFIRMED:
            return
        if checkout.state == State.OPEN:
            self._return(checkout)
        checkout.state = State.CONFIRMED
        for product_id, quantity in checkout.quantities.items():
            if line := self.lines.get(product_id):
                line.quantity -= min(quantity, line.left)
                if line.quantity == 0:
                    del self.lines[product_id]

    def cancel(self, checkout: Checkout) -> bool:
        """The order is over. True if its units are the cart's again: it was never confirmed."""
        if checkout.state != State.OPEN:
            return False
        checkout.state = State.CANCELLED
        self._return(checkout)
        return True

    def touch(self, now: datetime) -> bool:
        """The customer was here. True if from now on somebody has to look whether they come back."""
        self.touched_at = now
        if self.watched or not self.left:
            return False
        self.watched = True
        return True

    def patience(self, now: datetime, bearable: timedelta) -> timedelta:
        """How long what is left may still be left alone; zero or less: it is abandoned."""
        return self.touched_at + bearable - now

    def abandon(self) -> list[Abandoned]:
        """Watch no more until the cart is touched. Where all of it is being bought, nothing was abandoned."""
        self.watched = False
        left = [line.product_id for line in self.left]
        return [Abandoned(left)] if left else []

    def _return(self, checkout: Checkout) -> None:
        for product_id, quantity in checkout.quantities.items():
            self.lines[product_id].in_checkout -= quantity
