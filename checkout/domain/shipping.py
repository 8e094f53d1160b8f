"""The rules of a confirmed order: its parcel, and its cancellation by the customer."""

from datetime import datetime

from checkout.domain import paying
from checkout.domain.errors import Arrived, TooLate
from checkout.domain.journal import Entry, EntryType
from checkout.domain.order import Order
from checkout.domain.states import Reason, Status


def request_cancellation(order: Order, at: datetime) -> list[Entry]:
    """The customer wants out. Raises TooLate where the parcel is known to have left."""
    if order.status is Status.DELIVERED:
        raise Arrived
    if order.status is not Status.CONFIRMED:
        return paying.give_up(order, Reason.CUSTOMER, at)
    if order.dispatched or order.cancellation_refused is not None:
        raise TooLate
    return order.record(EntryType.CANCELLATION_REQUESTED, at)


def refuse_cancellation(order: Order, reason: str, at: datetime) -> list[Entry]:
    """Delivery could not stop the parcel. Kept for the customer to read, also after delivery."""
    asked_for = order.status in (Status.CANCELLING, Status.DELIVERED)
    if asked_for and order.cancellation_refused is None:
        return order.record(EntryType.CANCELLATION_REFUSED, at, reason=reason)
    return []


def stopped(order: Order, reason: Reason, at: datetime) -> list[Entry]:
    """No parcel was sent and none will be, so the money goes back."""
    return order.record(EntryType.CANCELLED, at, reason=reason) if _is_with_delivery(order) else []


def dispatched(order: Order, carrier: str, tracking_code: str, at: datetime) -> list[Entry]:
    if _is_with_delivery(order) and not order.dispatched:
        return order.record(EntryType.DISPATCHED, at, carrier=carrier, tracking_code=tracking_code)
    return []


def delivered(order: Order, at: datetime) -> list[Entry]:
    return order.record(EntryType.DELIVERED, at) if _is_with_delivery(order) else []


def overdue(order: Order, at: datetime) -> list[Entry]:
    """The parcel should have left by now; the customer can read that it is late."""
    if _is_with_delivery(order) and not order.dispatched and not order.shipping_delayed:
        return order.record(EntryType.SHIPPING_DELAYED, at)
    return []


def _is_with_delivery(order: Order) -> bool:
    return order.status in (Status.CONFIRMED, Status.CANCELLING)
