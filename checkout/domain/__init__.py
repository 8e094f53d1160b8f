"""The rules of an order; standard library only."""

from checkout.domain.journal import Entry, EntryType, Line, Money, RejectedLine
from checkout.domain.order import (
    PROVIDERS,
    Inconsistent,
    Order,
    OrderError,
    Payment,
    Reason,
    Status,
    TooLate,
)

__all__ = [
    "PROVIDERS",
    "Entry",
    "EntryType",
    "Inconsistent",
    "Line",
    "Money",
    "Order",
    "OrderError",
    "Payment",
    "Reason",
    "RejectedLine",
    "Status",
    "TooLate",
]
