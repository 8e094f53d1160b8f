"""Records where a parcel is, from callbacks of its carrier and from answers to tracking requests."""

from uuid import UUID

from contracts.delivery import (
    CancellationRefusedV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentDispatchedV2,
    TrackingDueV1,
)
from delivery.domain import Shipment, WrongCarrier
from delivery.gateways import Track, TrackingReport
from delivery.handlers.shipments import existing_shipment
from delivery.publishing import publish_shipment_changes
from marketplace_runtime.database import Transaction, publishes
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

TRACKING_EVENTS = (ShipmentDispatchedV2, ShipmentDispatchedV1, ShipmentDeliveredV1, CancellationRefusedV1)
"""The events that a tracking report can cause."""


@publishes(*TRACKING_EVENTS)
async def track_shipment(
    tx: Transaction, order_id: UUID, shipment_id: UUID, carrier: str, tracking_code: str, *, delivered: bool
) -> bool:
    """Record that the carrier dispatched or delivered the parcel. Returns False if there is no such shipment.

    Raises `WrongCarrier` if this carrier should not have the parcel.
    """
    shipment = await tx.get(Shipment, order_id)
    if shipment is None or shipment.shipment_id != shipment_id:
        return False
    record = shipment.deliver if delivered else shipment.dispatch
    publish_shipment_changes(tx, shipment, record(carrier, tracking_code, tx.now))
    return True


@publishes()
async def prepare_tracking(event: TrackingDueV1, tx: Transaction) -> Track | None:
    """Return the tracking request to the carrier that has the parcel. None if no carrier has it."""
    shipment = await existing_shipment(tx, event.order_id)
    if not shipment.is_with_carrier or shipment.carrier is None:
        return None
    return Track(shipment.shipment_id, shipment.carrier)


@publishes(*TRACKING_EVENTS)
async def record_tracking(event: TrackingDueV1, answer: TrackingReport, tx: Transaction) -> None:
    """Record the answer to a tracking request, in place of callbacks that did not arrive."""
    shipment = await existing_shipment(tx, event.order_id)
    if answer.status == "unknown" and answer.carrier == shipment.carrier and shipment.is_with_carrier:
        log.error("a carrier does not know a parcel that it booked", order_id=str(event.order_id))
    elif answer.status in ("dispatched", "delivered"):
        parcel = shipment.order_id, shipment.shipment_id, answer.carrier, answer.tracking_code
        try:
            await track_shipment(tx, *parcel, delivered=answer.status == "delivered")
        except WrongCarrier:
            log.error("a carrier has a parcel that it should not have", order_id=str(event.order_id))
