"""Schedules, cancels and gives up shipments, and checks that each makes progress."""

from datetime import datetime
from uuid import UUID

from contracts import Event
from contracts.checkout import CancellationRequestedV1, OrderConfirmedV1
from contracts.delivery import (
    CancellationRefusedV1,
    ShipmentCancelledV1,
    ShipmentFailedV1,
    ShipmentScheduledV1,
    ShippingDueV1,
    TrackingDueV1,
    UnbookingDueV1,
)
from delivery import store
from delivery.domain import Shipment, ShipmentChange, Status
from delivery.publishing import NO_DELAY, publish_shipment_changes
from delivery.settings import deadlines
from marketplace_runtime.consumer import Reject
from marketplace_runtime.database import Transaction, publishes


@publishes(ShipmentScheduledV1)
async def schedule_shipment(event: OrderConfirmedV1, tx: Transaction) -> None:
    """Create the shipment of a confirmed order, unless CancellationRequested arrived first."""
    if await tx.get(Shipment, event.order_id) is not None:
        return
    now, time_limit = tx.now, deadlines().shipping
    shipment = Shipment(
        event.order_id, tx.new_id(), event.customer_id, now, now + time_limit, address_id=event.address_id
    )
    shipment.schedule_next_check(now, deadlines().carrier_silence)
    tx.add(shipment)
    publish_shipment_changes(tx, shipment, [ShipmentChange.SCHEDULED])


@publishes(ShipmentCancelledV1, CancellationRefusedV1)
async def cancel_shipment(event: CancellationRequestedV1, tx: Transaction) -> None:
    """Stop the parcel, or refuse to. The result is published now, or when the carrier has answered."""
    shipment = await tx.get(Shipment, event.order_id)
    if shipment is None:
        shipment = Shipment.cancelled_before_order(event.order_id, tx.new_id(), event.customer_id, tx.now)
        tx.add(shipment)
        publish_shipment_changes(tx, shipment, [ShipmentChange.CANCELLED])
    else:
        publish_shipment_changes(tx, shipment, shipment.cancel())


@publishes(ShipmentFailedV1)
async def give_up_shipment(event: ShippingDueV1, tx: Transaction) -> None:
    """Give up a shipment that no carrier booked before its deadline."""
    shipment = await existing_shipment(tx, event.order_id)
    has_address = await store.address_for(tx, shipment) is not None
    changes = shipment.check_deadline(tx.now, deadlines().shipping, has_address=has_address)
    publish_shipment_changes(tx, shipment, changes)


@publishes()
async def look_after_shipments(tx: Transaction) -> int:
    """Check that every shipment makes progress: ask silent carriers for tracking, and replace lost deadlines.

    Returns the number of lost deadlines.
    """
    lost, now = 0, tx.now
    for shipment in await store.overdue_shipments(tx, now):
        if shipment.has_ended:  # ended by an older version, which does not set this column
            shipment.look_at = None
            continue
        due, at = _next_step(shipment, now)
        if not await tx.is_scheduled(due):
            tx.schedule(due, after=max(at - now, NO_DELAY))
            # a tracking request is not counted: it was not lost, since it is scheduled nowhere else
            lost += not shipment.is_with_carrier
        shipment.schedule_next_check(now, deadlines().carrier_silence)
    return lost


def _next_step(shipment: Shipment, now: datetime) -> tuple[Event, datetime]:
    """Return the event of the next step of a shipment that has not ended, and when it is due."""
    if shipment.is_with_carrier:
        return TrackingDueV1(order_id=shipment.order_id), now
    if shipment.status is Status.STOPPING:
        return UnbookingDueV1(order_id=shipment.order_id), now
    return ShippingDueV1(order_id=shipment.order_id), shipment.due_at


async def existing_shipment(tx: Transaction, order_id: UUID) -> Shipment:
    """Return the order's shipment, locked. Raises `Reject` if there is none, though an event about it was published."""
    shipment = await tx.get(Shipment, order_id)
    if shipment is None:
        raise Reject(f"there is no shipment for order {order_id}: its row was lost after its event was published")
    return shipment
