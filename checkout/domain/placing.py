"""The rules of a new order: what the catalog answers, and where the parcel is to go."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from uuid import UUID

from checkout.domain.errors import Inconsistent
from checkout.domain.journal import Entry, EntryType, Line, Money, RejectedLine
from checkout.domain.order import Order
from checkout.domain.states import Payment, Reason, Status


def place(
    order_id: UUID,
    customer_id: str,
    lines: Iterable[Line],
    total: Money,
    *,
    at: datetime,
    address_id: UUID | None = None,
) -> tuple[Order, list[Entry]]:
    """Return a new order, to be brought to `address_id`, and its first entry.

    Raises Inconsistent unless the lines come to the total.
    """
    lines = tuple(lines)
    if {line.unit_price.currency for line in lines} != {total.currency}:
        raise Inconsistent
    if sum(line.quantity * line.unit_price.amount for line in lines) != total.amount:
        raise Inconsistent
    data = {
        "customer_id": customer_id,
        "lines": [line.to_json() for line in lines],
        "total": asdict(total),
        "address_id": str(address_id) if address_id else None,
    }
    entry = Entry(order_id, 1, EntryType.PLACED, data, at)
    return Order.fold([entry]), [entry]


def reserve(order: Order, at: datetime, lowered: Mapping[UUID, Money] | None = None) -> list[Entry]:
    """The catalog set every line aside; `lowered` is today's price of what costs less than the customer saw.

    Raises Inconsistent if one of these is no lower price of a line.
    """
    if order.status is not Status.PLACED:
        return []
    if not lowered:
        return order.record(EntryType.STOCK_RESERVED, at)
    if not lowered.keys() <= {line.product_id for line in order.lines}:
        raise Inconsistent
    lines = [replace(line, unit_price=_lower(line, lowered)) for line in order.lines]
    total = replace(order.total, amount=sum(line.quantity * line.unit_price.amount for line in lines))
    data = {"lines": [line.to_json() for line in lines], "total": asdict(total)}
    return order.record(EntryType.STOCK_RESERVED, at, **data)


def reject(order: Order, lines: Iterable[RejectedLine], at: datetime) -> list[Entry]:
    """The catalog set nothing aside. What changed is kept for the customer to read."""
    if order.status is not Status.PLACED:
        return []
    lines = tuple(lines)
    price_changed = any(line.reason == "price-changed" for line in lines)
    reason = Reason.PRICE_CHANGED if price_changed else Reason.STOCK_REJECTED
    return [
        *order.record(EntryType.STOCK_REJECTED, at, lines=[line.to_json() for line in lines]),
        *order.record(EntryType.CANCELLED, at, reason=reason),
    ]


def find_address(order: Order, known: UUID | None, at: datetime) -> list[Entry]:
    """Before anybody is asked for the money: go to the address as of checkout, else to the one that is known.

    None: there is none at the moment, so the order waits.
    """
    if order.status is not Status.PAYING or order.payment is not Payment.NONE:
        return []
    if known is None:
        return [] if order.awaits_address else order.record(EntryType.ADDRESS_AWAITED, at)
    if order.awaits_address or order.address_id is None:
        return order.record(EntryType.ADDRESS_KNOWN, at, address_id=str(known))
    return []


def stock_unanswered(order: Order, at: datetime) -> list[Entry]:
    """The catalog has had long enough to answer."""
    if order.status is not Status.PLACED:
        return []
    return order.record(EntryType.CANCELLED, at, reason=Reason.NO_STOCK_ANSWER)


def _lower(line: Line, lowered: Mapping[UUID, Money]) -> Money:
    today = lowered.get(line.product_id, line.unit_price)
    if today.currency != line.unit_price.currency or today.amount > line.unit_price.amount:
        raise Inconsistent
    return today
