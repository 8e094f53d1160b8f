"""Errors of a cart. The docstring of an error is its message to the customer, unless it is given another."""

from uuid import UUID


class Refused(Exception):
    """Base of the errors for what a cart does not allow. `product_ids` are the products concerned, if any."""

    def __init__(self, *product_ids: UUID, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)
        self.product_ids = product_ids


class UnknownProduct(Refused):
    """There is no such product, or the cart has not received it yet: try again in a moment."""


class NoLongerSold(Refused):
    """Discontinued products cannot be bought: remove them from the cart."""


class NotSold(NoLongerSold):
    """This product is discontinued: it cannot be bought."""


class TooManyLines(Refused):
    """A cart has at most 50 lines: check out, or take something out."""


class OtherCurrency(Refused):
    """All lines of a cart are in one currency."""

    def __init__(self, product_id: UUID, *, cart: str, product: str) -> None:
        way_out = "check out or empty the cart first"
        super().__init__(
            product_id, message=f"The cart is in {cart}, but this product is priced in {product}: {way_out}."
        )


class StillInCheckout(Refused):
    """More units of the product are in open orders: ask for at least as many, or wait until the orders are decided."""


class NothingToBuy(Refused):
    """Everything in the cart is already in an open order."""


class EmptyCart(NothingToBuy):
    """The cart is empty: put something into it first."""


class TooExpensive(Refused):
    """A cart is worth at most 1000000000000 minor units."""


class NoAddress(Refused):
    """There is no address to bring the order to: record one with delivery, then check out again."""
