"""Translates changes of addresses and shipments into events. No other module of this service publishes."""

from collections.abc import Sequence
from datetime import timedelta

from contracts.delivery import (
    AddressErasedV1,
    AddressRecordedV1,
    BookingDueV1,
    CancellationRefusedV1,
    RefusalReason,
    ShipmentCancelledV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentDispatchedV2,
    ShipmentFailedV1,
    ShipmentFailureReason,
    ShipmentScheduledV1,
    ShippingDueV1,
    Tracking,
    UnbookingDueV1,
)
from delivery.domain import Address, AddressChange, Erased, Recorded, Shipment, ShipmentChange
from delivery.settings import deadlines
from marketplace_runtime.database import Transaction
from marketplace_runtime.resilience import full_jitter

NO_DELAY = timedelta(0)


def publish_address_changes(tx: Transaction, address: Address, changes: Sequence[AddressChange]) -> None:
    """Publish an event for each change of an address."""
    customer_id = address.customer_id
    for change in changes:
        match change:
            case Recorded(address_id, revision):
                tx.publish(AddressRecordedV1(customer_id=customer_id, address_id=address_id, revision=revision))
            case Erased(revision):
                tx.publish(AddressErasedV1(customer_id=customer_id, revision=revision))


def publish_shipment_changes(tx: Transaction, shipment: Shipment, changes: Sequence[ShipmentChange]) -> None:
    """Publish an event, or schedule the next step, for each change of a shipment."""
    order_id, shipment_id, customer_id = shipment.order_id, shipment.shipment_id, shipment.customer_id
    for change in changes:
        match change:
            case ShipmentChange.SCHEDULED:
                tx.publish(ShipmentScheduledV1(order_id=order_id, shipment_id=shipment_id, customer_id=customer_id))
                tx.schedule(ShippingDueV1(order_id=order_id), after=deadlines().shipping)
            case ShipmentChange.TO_BE_BOOKED:
                tx.schedule(BookingDueV1(order_id=order_id), after=NO_DELAY)
            case ShipmentChange.REFUSED_BY_ALL_CARRIERS:
                tx.schedule(BookingDueV1(order_id=order_id), after=_pause(shipment))
            case ShipmentChange.TO_BE_UNBOOKED:
                tx.schedule(UnbookingDueV1(order_id=order_id), after=NO_DELAY)
            case ShipmentChange.DEADLINE_EXTENDED:
                tx.schedule(ShippingDueV1(order_id=order_id), after=deadlines().shipping)
            case ShipmentChange.DISPATCHED:
                carrier, code = shipment.carrier or "", shipment.tracking_code or ""
                tx.publish(
                    ShipmentDispatchedV2(
                        order_id=order_id,
                        shipment_id=shipment_id,
                        customer_id=customer_id,
                        tracking=Tracking(carrier=carrier, code=code),
                    ),
                    ShipmentDispatchedV1(
                        order_id=order_id,
                        shipment_id=shipment_id,
                        customer_id=customer_id,
                        carrier=carrier,
                        tracking_code=code,
                    ),
                )
            case ShipmentChange.DELIVERED:
                tx.publish(ShipmentDeliveredV1(order_id=order_id, shipment_id=shipment_id, customer_id=customer_id))
            case ShipmentChange.CANCELLED:
                tx.publish(ShipmentCancelledV1(order_id=order_id))
            case ShipmentChange.CANCELLATION_REFUSED:
                tx.publish(CancellationRefusedV1(order_id=order_id, reason=RefusalReason.ALREADY_DISPATCHED))
            case ShipmentChange.FAILED:
                tx.publish(
                    ShipmentFailedV1(
                        order_id=order_id,
                        shipment_id=shipment_id,
                        customer_id=customer_id,
                        reason=ShipmentFailureReason(shipment.failure or ShipmentFailureReason.NO_CARRIER),
                    )
                )


def _pause(shipment: Shipment) -> timedelta:
    """Return the pause after a round in which all carriers refused. It grows with every round."""
    return timedelta(seconds=0.25 + full_jitter(shipment.refusals, 0.25, 5))
