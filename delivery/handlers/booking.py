"""Prepares bookings and cancellations at carriers, and records the answers."""

from datetime import timedelta

from contracts.delivery import (
    BookingDueV1,
    CancellationRefusedV1,
    ShipmentCancelledV1,
    ShipmentFailedV1,
    ShipmentScheduledV1,
    UnbookingDueV1,
)
from delivery import store
from delivery.domain import Status
from delivery.gateways import AlreadyDispatched, Answer, Book, Booked, Closed, NotBooked, Unbook
from delivery.handlers.shipments import existing_shipment
from delivery.publishing import publish_shipment_changes
from marketplace_runtime.consumer import RetryLater
from marketplace_runtime.database import Transaction, publishes

ADDRESS_CHECK_INTERVAL = timedelta(seconds=1)
"""Interval at which a shipment without an address checks for one."""


@publishes()
async def prepare_booking(event: ShipmentScheduledV1 | BookingDueV1, tx: Transaction) -> Book | None:
    """Record the carrier that is about to be asked, and return the booking. None if there is nothing to book.

    Raises `RetryLater` while the customer has no address, until the deadline gives the shipment up.
    """
    shipment = await existing_shipment(tx, event.order_id)
    if shipment.status is not Status.SCHEDULED:
        return None
    address, asked_before = await store.address_for(tx, shipment), not shipment.is_unassigned
    if asked_before and (address is None or address.address_id != shipment.address_id):
        # the address was erased meanwhile, and one key can't be used for two addresses
        publish_shipment_changes(tx, shipment, shipment.rebook())
        return None
    if address is None:
        raise RetryLater(ADDRESS_CHECK_INTERVAL)
    shipment.address_id = address.address_id
    carrier = shipment.choose_carrier(tx.now)
    return Book(shipment.order_id, shipment.shipment_id, carrier, address.place, asked_before=asked_before)


@publishes()
async def prepare_unbooking(event: UnbookingDueV1, tx: Transaction) -> Unbook | None:
    """Return the request to cancel the booking of a shipment that is being stopped. None if no carrier may hold it."""
    shipment = await existing_shipment(tx, event.order_id)
    if shipment.status is not Status.STOPPING or shipment.carrier is None:
        return None
    return Unbook(shipment.shipment_id, shipment.carrier)


@publishes(ShipmentCancelledV1, CancellationRefusedV1, ShipmentFailedV1)
async def record_answer(
    event: ShipmentScheduledV1 | BookingDueV1 | UnbookingDueV1, answer: Answer, tx: Transaction
) -> None:
    """Record the answer of a carrier, if the shipment still waits for it."""
    shipment = await existing_shipment(tx, event.order_id)
    match answer:
        case Booked(carrier, tracking_code):
            changes = shipment.record_booked(carrier, tracking_code)
        case NotBooked(carrier):
            changes = shipment.record_not_booked(carrier)
        case Closed(carrier):
            changes = shipment.record_key_closed(carrier)
        case AlreadyDispatched(carrier):
            changes = shipment.record_already_dispatched(carrier)
    publish_shipment_changes(tx, shipment, changes)
