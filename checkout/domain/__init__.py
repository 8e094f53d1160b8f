"""The domain rules of an order. Uses the standard library only."""

from checkout.domain import paying, placing, shipping
from checkout.domain.address import KnownAddress
from checkout.domain.errors import Inconsistent, OrderError, TooLate
from checkout.domain.journal import Entry, EntryType, Line, Money, RejectedLine
from checkout.domain.order import Order
from checkout.domain.paying import PROVIDERS
from checkout.domain.states import Payment, Reason, Status

__all__ = [
    "PROVIDERS",
    "Entry",
    "EntryType",
    "Inconsistent",
    "KnownAddress",
    "Line",
    "Money",
    "Order",
    "OrderError",
    "Payment",
    "Reason",
    "RejectedLine",
    "Status",
    "TooLate",
    "paying",
    "placing",
    "shipping",
]
