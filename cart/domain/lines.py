"""The lines of a cart, and what a checkout takes of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from cart.domain.copies import Price


@dataclass
class Line:
    """`quantity >= in_checkout >= 0`. The price is the one that the customer saw."""

    customer_id: str
    product_id: UUID
    quantity: int
    unit_price: Price
    in_checkout: int = 0

    @property
    def left(self) -> int:
        """Units that a checkout would buy."""
        return self.quantity - self.in_checkout


@dataclass(frozen=True)
class Bought:
    """What a checkout takes of a line."""

    product_id: UUID
    quantity: int
    unit_price: Price


def total(items: Iterable[Bought | Line]) -> Price:
    """What they cost together. There is at least one, and all are in one currency."""
    priced = list(items)
    return Price(sum(item.quantity * item.unit_price.amount for item in priced), priced[0].unit_price.currency)
