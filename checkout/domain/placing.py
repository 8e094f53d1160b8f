"""The rules of a new order: its placement, the catalog's answer and the delivery address."""

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
    """Return a new order, to be delivered to `address_id`, and its first entry.

    Raises `Inconsistent` if the total is not the sum of the lines, or they are not in one currency.
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
    """Record that the catalog reserved every line. The customer pays the lower prices in `lowered`.

    `lowered` maps each product that costs less than the customer saw to its current price. Raises `Inconsistent` if a
    price is higher than that of its line, in another currency, or of a product that was not ordered.
    """
    if order.status is not Status.PLACED:
        return []
    if not lowered:
        return order.record(EntryType.STOCK_RESERVED, at)
    if not lowered.keys() <= {line.product_id for line in order.lines}:
        raise Inconsistent
    lines = [replace(line, unit_price=_lowered_price(line, lowered)) for line in order.lines]
    total = replace(order.total, amount=sum(line.quantity * line.unit_price.amount for line in lines))
    data = {"lines": [line.to_json() for line in lines], "total": asdict(total)}
    return order.record(EntryType.STOCK_RESERVED, at, **data)


def reject(order: Order, lines: Iterable[RejectedLine], at: datetime) -> list[Entry]:
    """Cancel the order because the catalog reserved nothing. Keeps the rejected lines for the customer to read."""
    if order.status is not Status.PLACED:
        return []
    lines = tuple(lines)
    price_changed = any(line.reason == "price-changed" for line in lines)
    reason = Reason.PRICE_CHANGED if price_changed else Reason.STOCK_REJECTED
    return [
        *order.record(EntryType.STOCK_REJECTED, at, lines=[line.to_json() for line in lines]),
        *order.record(EntryType.CANCELLED, at, reason=reason),
    ]


def set_address(order: Order, current_address_id: UUID | None, at: datetime) -> list[Entry]:
    """Set the delivery address before the first charge request, or record that the order waits for one.

    The order keeps the address that it had at checkout. If it had none, or was waiting, it takes
    `current_address_id`. If that is None, the customer has no address at the moment and the order waits.
    """
    if order.status is not Status.PAYING or order.payment is not Payment.NONE:
        return []
    if current_address_id is None:
        return [] if order.awaits_address else order.record(EntryType.ADDRESS_AWAITED, at)
    if order.awaits_address or order.address_id is None:
        return order.record(EntryType.ADDRESS_KNOWN, at, address_id=str(current_address_id))
    return []


def cancel_unanswered(order: Order, at: datetime) -> list[Entry]:
    """Cancel the order because the catalog did not answer before the deadline."""
    if order.status is not Status.PLACED:
        return []
    return order.record(EntryType.CANCELLED, at, reason=Reason.NO_STOCK_ANSWER)


def _lowered_price(line: Line, lowered: Mapping[UUID, Money]) -> Money:
    current_price = lowered.get(line.product_id, line.unit_price)
    if current_price.currency != line.unit_price.currency or current_price.amount > line.unit_price.amount:
        raise Inconsistent
    return current_price
