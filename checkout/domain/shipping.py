"""The rules of a confirmed order: its parcel, and its cancellation by the customer."""

from datetime import datetime

from checkout.domain import paying
from checkout.domain.errors import Arrived, TooLate
from checkout.domain.journal import EntryType
from checkout.domain.order import Order
from checkout.domain.states import Reason, Status


def request_cancellation(order: Order, at: datetime) -> None:
    """The customer wants out. Raises TooLate where the parcel is known to have left."""
    if order.status is Status.DELIVERED:
        raise Arrived
    if order.status is Status.CONFIRMED:
        if order.dispatched or order.cancellation_refused is not None:
            raise TooLate
        order.record(EntryType.CANCELLATION_REQUESTED, at)
    else:
        paying.give_up(order, Reason.CUSTOMER, at)


def refuse_cancellation(order: Order, reason: str, at: datetime) -> None:
    """Delivery could not stop the parcel. Kept for the customer to read, also after delivery."""
    asked_for = order.status in (Status.CANCELLING, Status.DELIVERED)
    if asked_for and order.cancellation_refused is None:
        order.record(EntryType.CANCELLATION_REFUSED, at, reason=reason)


def stopped(order: Order, reason: Reason, at: datetime) -> None:
    """No parcel was sent and none will be, so the money goes back."""
    if _is_with_delivery(order):
        order.record(EntryType.CANCELLED, at, reason=reason)


def dispatched(order: Order, carrier: str, tracking_code: str, at: datetime) -> None:
    if _is_with_delivery(order) and not order.dispatched:
        order.record(EntryType.DISPATCHED, at, carrier=carrier, tracking_code=tracking_code)


def delivered(order: Order, at: datetime) -> None:
    if _is_with_delivery(order):
        order.record(EntryType.DELIVERED, at)


def overdue(order: Order, at: datetime) -> None:
    """The parcel should have left by now; the customer can read that it is late."""
    if _is_with_delivery(order) and not order.dispatched and not order.shipping_delayed:
        order.record(EntryType.SHIPPING_DELAYED, at)


def _is_with_delivery(order: Order) -> bool:
    return order.status in (Status.CONFIRMED, Status.CANCELLING)
