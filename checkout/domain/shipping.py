"""The rules of a confirmed order: its parcel, and cancellation by the customer."""

from datetime import datetime

from checkout.domain import paying
from checkout.domain.errors import AlreadyDelivered, TooLate
from checkout.domain.journal import Entry, EntryType
from checkout.domain.order import Order
from checkout.domain.states import Reason, Status


def request_cancellation(order: Order, at: datetime) -> list[Entry]:
    """Cancel the order for the customer, or ask delivery to stop its parcel once it is confirmed.

    Raises `TooLate` if the parcel is known to have left, `AlreadyDelivered` if it was delivered.
    """
    if order.status is Status.DELIVERED:
        raise AlreadyDelivered
    if order.status is not Status.CONFIRMED:
        return paying.give_up(order, Reason.CUSTOMER, at)
    if order.dispatched or order.cancellation_refused is not None:
        raise TooLate
    return order.record(EntryType.CANCELLATION_REQUESTED, at)


def refuse_cancellation(order: Order, reason: str, at: datetime) -> list[Entry]:
    """Record why delivery could not stop the parcel, for the customer to read, also after the parcel was delivered."""
    asked_for = order.status in (Status.CANCELLING, Status.DELIVERED)
    if asked_for and order.cancellation_refused is None:
        return order.record(EntryType.CANCELLATION_REFUSED, at, reason=reason)
    return []


def cancel_confirmed(order: Order, reason: Reason, at: datetime) -> list[Entry]:
    """Cancel the order because no parcel was sent and none will be. The money is refunded."""
    return order.record(EntryType.CANCELLED, at, reason=reason) if _awaits_delivery(order) else []


def record_dispatch(order: Order, carrier: str, tracking_code: str, at: datetime) -> list[Entry]:
    if _awaits_delivery(order) and not order.dispatched:
        return order.record(EntryType.DISPATCHED, at, carrier=carrier, tracking_code=tracking_code)
    return []


def record_delivery(order: Order, at: datetime) -> list[Entry]:
    return order.record(EntryType.DELIVERED, at) if _awaits_delivery(order) else []


def record_delay(order: Order, at: datetime) -> list[Entry]:
    """Record that the parcel did not leave before the deadline, for the customer to read."""
    if _awaits_delivery(order) and not order.dispatched and not order.shipping_delayed:
        return order.record(EntryType.SHIPPING_DELAYED, at)
    return []


def _awaits_delivery(order: Order) -> bool:
    return order.status in (Status.CONFIRMED, Status.CANCELLING)
