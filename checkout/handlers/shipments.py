"""After confirmation: cancellation, shipping and delivery."""

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
    """Cancel on the customer's word, or start to. None if it is not theirs; raises TooLate."""
    order = await tx.get(Order, order_id)
    if order is None or order.customer_id != customer_id:
        return None
    publish_order_changes(tx, order, shipping.request_cancellation(order, tx.now))
    return order


@publishes()
async def note_dispatch(event: ShipmentDispatchedV1, tx: Transaction) -> None:
    """From now on it is too late to cancel."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.dispatched(order, event.carrier, event.tracking_code, tx.now))


@publishes(OrderDeliveredV1)
async def complete_order(event: ShipmentDeliveredV1, tx: Transaction) -> None:
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.delivered(order, tx.now))


@publishes(OrderCancelledV1)
async def cancel_unsendable(event: ShipmentFailedV1, tx: Transaction) -> None:
    """No carrier took the parcel, or it had no address: cancel, and give the money back."""
    order = await order_of(tx, event.order_id)
    homeless = event.reason is ShipmentFailureReason.NO_ADDRESS
    reason = Reason.NO_ADDRESS if homeless else Reason.SHIPPING_FAILED
    publish_order_changes(tx, order, shipping.stopped(order, reason, tx.now))


@publishes(OrderCancelledV1)
async def cancel_stopped(event: ShipmentCancelledV1, tx: Transaction) -> None:
    """The parcel was stopped as the customer wished: cancel, and give the money back."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.stopped(order, Reason.CUSTOMER, tx.now))


@publishes()
async def refuse_cancellation(event: CancellationRefusedV1, tx: Transaction) -> None:
    """The order goes on; the customer can read why it was not cancelled."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.refuse_cancellation(order, event.reason.value, tx.now))


@publishes()
async def note_delay(event: ShippingOverdueV1, tx: Transaction) -> None:
    """Let the customer read that the parcel is late."""
    order = await order_of(tx, event.order_id)
    publish_order_changes(tx, order, shipping.overdue(order, tx.now))
