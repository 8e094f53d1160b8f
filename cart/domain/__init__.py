"""The domain rules of carts and their checkouts. Uses the standard library only."""

from cart.domain.cart import MAX_LINES, Abandoned, Cart, CartChange, CheckedOut
from cart.domain.checkout import Checkout, State
from cart.domain.copies import KnownAddress, Price, ProductCopy, Status
from cart.domain.errors import (
    NoAddress,
    NoLongerSold,
    NothingToBuy,
    OtherCurrency,
    Refused,
    StillInCheckout,
    TooExpensive,
    TooManyLines,
    UnknownProduct,
)
from cart.domain.lines import CheckoutItem, Line, total

__all__ = [
    "MAX_LINES",
    "Abandoned",
    "Cart",
    "CartChange",
    "CheckedOut",
    "Checkout",
    "CheckoutItem",
    "KnownAddress",
    "Line",
    "NoAddress",
    "NoLongerSold",
    "NothingToBuy",
    "OtherCurrency",
    "Price",
    "ProductCopy",
    "Refused",
    "State",
    "Status",
    "StillInCheckout",
    "TooExpensive",
    "TooManyLines",
    "UnknownProduct",
    "total",
]
