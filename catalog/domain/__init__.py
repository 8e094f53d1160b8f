"""The rules of products, stock and reservations; standard library only."""

from catalog.domain.product import (
    MOST_ON_HAND,
    News,
    NoLongerSold,
    Price,
    Product,
    Refused,
    Status,
    TooMuchStock,
    UnknownProduct,
)
from catalog.domain.reservation import (
    Moves,
    Objection,
    Reason,
    Reservation,
    State,
    Stock,
    Wanted,
    lowered,
    objections,
    quantities,
)

__all__ = [
    "MOST_ON_HAND",
    "Moves",
    "News",
    "NoLongerSold",
    "Objection",
    "Price",
    "Product",
    "Reason",
    "Refused",
    "Reservation",
    "State",
    "Status",
    "Stock",
    "TooMuchStock",
    "UnknownProduct",
    "Wanted",
    "lowered",
    "objections",
    "quantities",
]
