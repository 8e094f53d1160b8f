"""Take in where a parcel is: as its carrier reports it, or when asked."""

from uuid import UUID

from contracts.delivery import (
    CancellationRefusedV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentDispatchedV2,
    TrackingDueV1,
)
from delivery.domain import NotItsCarrier, Shipment
from delivery.gateways import Track, Whereabouts
from delivery.handlers.shipments import existing_shipment
from delivery.publishing import publish_shipment_changes
from marketplace_runtime.database import Transaction, publishes
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

PARCEL_MOVES = (ShipmentDispatchedV2, ShipmentDispatchedV1, ShipmentDeliveredV1, CancellationRefusedV1)
"""What may follow where a carrier says that the parcel is on its way, or at the door."""


@publishes(*PARCEL_MOVES)
async def track_shipment(
    tx: Transaction, order_id: UUID, shipment_id: UUID, carrier: str, tracking_code: str, *, delivered: bool
) -> bool:
    """Take in where the carrier says the parcel is. False where there is no such shipment; raises NotItsCarrier."""
    shipment = await tx.get(Shipment, order_id)
    if shipment is None or shipment.shipment_id != shipment_id:
        return False
    tell = shipment.deliver if delivered else shipment.dispatch
    publish_shipment_changes(tx, shipment, tell(carrier, tracking_code, tx.now))
    return True


@publishes()
async def prepare_tracking(event: TrackingDueV1, tx: Transaction) -> Track | None:
    """Find the carrier that has the parcel."""
    shipment = await existing_shipment(tx, event.order_id)
    if not shipment.is_with_carrier or shipment.carrier is None:
        return None
    return Track(shipment.shipment_id, shipment.carrier)


@publishes(*PARCEL_MOVES)
async def record_tracking(event: TrackingDueV1, answer: Whereabouts, tx: Transaction) -> None:
    """Take in what the carrier did not tell us by itself."""
    shipment = await existing_shipment(tx, event.order_id)
    if answer.status == "unknown" and answer.carrier == shipment.carrier and shipment.is_with_carrier:
        log.error("a carrier does not know a parcel that it booked", order_id=str(event.order_id))
    elif answer.status in ("dispatched", "delivered"):
        place = shipment.order_id, shipment.shipment_id, answer.carrier, answer.tracking_code
        try:
            await track_shipment(tx, *place, delivered=answer.status == "delivered")
        except NotItsCarrier:
            log.error("a carrier has a parcel that it should not have", order_id=str(event.order_id))
