"""Handles cancellation by the customer, and the shipment of a confirmed order."""

from uuid import UUID

from checkout.domain import Order, Reason, shipping
from checkout.handlers.loading import order_of
from checkout.publishing import publish_order_changes
from contracts.checkout import CancellationRequestedV1, OrderCancelledV1, OrderDeliveredV1, ShippingOverdueV1
from contracts.delivery import (
    CancellationRefusedV1,
    ShipmentCancelledV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentFailedV1,
    ShipmentFailureReason,
)
from marketplace_runtime.database import Transaction, publishes


@publishes(CancellationRequestedV1, OrderCancelledV1)
async def cancel_order(order_id: UUID, customer_id: str, tx: Transaction) -> Order | None:
    """Cancel the customer's order, or ask delivery to stop its parcel.

    Returns None if there is no such order, or it is another customer's. Raises `TooLate` if the parcel has left.
    """
    order = await tx.get(Order, order_id)
    if order is None or order.customer_id != customer_id:
        return None
    publish_order_changes(tx, order, shipping.request_cancellation(order, tx.now))
    return order


@publishes()
async def note_dispatch(event: ShipmentDispatchedV1, tx: Transaction) -> None:
    """Record that the parcel has left. From now on it is too late to cancel."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.record_dispatch(order, event.carrier, event.tracking_code, tx.now))


@publishes(OrderDeliveredV1)
async def complete_order(event: ShipmentDeliveredV1, tx: Transaction) -> None:
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.record_delivery(order, tx.now))


@publishes(OrderCancelledV1)
async def cancel_unshippable_order(event: ShipmentFailedV1, tx: Transaction) -> None:
    """Cancel and refund an order whose parcel no carrier took, or that had no address."""
    order = await order_of(tx, event.order_id)
    has_no_address = event.reason is ShipmentFailureReason.NO_ADDRESS
    reason = Reason.NO_ADDRESS if has_no_address else Reason.SHIPPING_FAILED
    publish_order_changes(tx, order, shipping.cancel_confirmed(order, reason, tx.now))


@publishes(OrderCancelledV1)
async def cancel_stopped_order(event: ShipmentCancelledV1, tx: Transaction) -> None:
    """Cancel and refund an order whose parcel was stopped at the customer's request."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.cancel_confirmed(order, Reason.CUSTOMER, tx.now))


@publishes()
async def refuse_cancellation(event: CancellationRefusedV1, tx: Transaction) -> None:
    """Continue an order whose parcel could not be stopped. Keeps the reason for the customer to read."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.refuse_cancellation(order, event.reason.value, tx.now))


@publishes()
async def note_delay(event: ShippingOverdueV1, tx: Transaction) -> None:
    """Record that the parcel is late, for the customer to read."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.record_delay(order, tx.now))
