"""The lines of a cart, and the items that a checkout orders from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from cart.domain.copies import Price


@dataclass
class Line:
    """A product in a cart. `quantity >= in_checkout >= 0` always holds. The price is the one that the customer saw."""

    customer_id: str
    product_id: UUID
    quantity: int
    unit_price: Price
    in_checkout: int = 0

    @property
    def not_in_checkout(self) -> int:
        """Units that a checkout would order."""
        return self.quantity - self.in_checkout


@dataclass(frozen=True)
class CheckoutItem:
    """The units of a line that a checkout orders."""

    product_id: UUID
    quantity: int
    unit_price: Price


def total(items: Iterable[CheckoutItem | Line]) -> Price:
    """Return the sum of the items' prices. Expects at least one item, and one currency."""
    priced = list(items)
    return Price(sum(item.quantity * item.unit_price.amount for item in priced), priced[0].unit_price.currency)
