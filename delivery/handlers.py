"""What delivery does: load, decide, publish what changed."""

from datetime import datetime, timedelta
from uuid import UUID

from contracts import Event
from contracts.checkout import CancellationRequestedV1, OrderConfirmedV1
from contracts.delivery import (
    AddressErasedV1,
    AddressRecordedV1,
    BookingDueV1,
    CancellationRefusedV1,
    ShipmentCancelledV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentDispatchedV2,
    ShipmentFailedV1,
    ShipmentScheduledV1,
    ShippingDueV1,
    TrackingDueV1,
    UnbookingDueV1,
)
from delivery import store
from delivery.domain import Address, NotItsCarrier, Place, Shipment, ShipmentChange, Status
from delivery.gateways import Answer, Book, Booked, Closed, Left, NotBooked, Track, Unbook, Whereabouts
from delivery.publishing import AT_ONCE, publish_address_changes, publish_shipment_changes
from delivery.settings import deadlines
from marketplace_runtime.consumer import Reject, RetryLater
from marketplace_runtime.database import Transaction, publishes
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

ADDRESS_PAUSE = timedelta(seconds=1)
"""How long until a missing address is looked for again."""
KEPT_FOR = timedelta(days=30)
"""An address after it was replaced: longer than any order is on its way from its checkout to its confirmation."""
PARCEL_MOVES = (ShipmentDispatchedV2, ShipmentDispatchedV1, ShipmentDeliveredV1, CancellationRefusedV1)
"""What may follow where a carrier says that the parcel is on its way, or at the door."""


@publishes(AddressRecordedV1)
async def record_address(tx: Transaction, customer_id: str, place: Place) -> None:
    """Bring what is ordered from now on there. What was ordered before still goes where it was to go."""
    address = await store.lock_address(tx, customer_id)
    if address is None:
        address = Address(customer_id, place)
        tx.add(address)
    elif address.place == place:
        return
    elif past := address.become(place, tx.now):
        tx.add(past)
    publish_address_changes(tx, address, address.record(tx.new_id(), await store.next_revision(tx)))


@publishes(AddressErasedV1)
async def erase_address(tx: Transaction, customer_id: str) -> None:
    """Forget where the customer lives and lived; no copy is kept. Nothing happens where that is not known."""
    address = await store.lock_address(tx, customer_id)
    if address is None:
        return
    await store.erase_addresses(tx, customer_id)
    publish_address_changes(tx, address, address.erase(await store.next_revision(tx)))


@publishes(AddressRecordedV1)
async def announce_addresses(tx: Transaction) -> int:
    """Publish the addresses that were recorded before that was published, or by older code."""
    for address in await store.unpublished_addresses(tx):
        publish_address_changes(tx, address, address.record(tx.new_id(), await store.next_revision(tx)))
    return 0


@publishes()
async def forget_past_addresses(tx: Transaction) -> int:
    """Delete replaced addresses that no parcel can be to go to any more."""
    await store.delete_past_addresses(tx, tx.now - KEPT_FOR)
    return 0


@publishes(ShipmentScheduledV1)
async def schedule_shipment(event: OrderConfirmedV1, tx: Transaction) -> None:
    """Plan the order's one parcel, unless it was cancelled before we heard of it."""
    if await tx.get(Shipment, event.order_id) is not None:
        return
    now, within = tx.now, deadlines().shipping
    shipment = Shipment(event.order_id, tx.new_id(), event.customer_id, now, now + within, address_id=event.address_id)
    shipment.look_again(now, deadlines().silence)
    tx.add(shipment)
    publish_shipment_changes(tx, shipment, [ShipmentChange.SCHEDULED])


@publishes(ShipmentCancelledV1, CancellationRefusedV1)
async def cancel_shipment(event: CancellationRequestedV1, tx: Transaction) -> None:
    """Stop the parcel, or refuse to; one of the two, at once or when its carrier has answered."""
    shipment = await tx.get(Shipment, event.order_id)
    if shipment is None:
        shipment = Shipment.never_to_be(event.order_id, tx.new_id(), event.customer_id, tx.now)
        tx.add(shipment)
        publish_shipment_changes(tx, shipment, [ShipmentChange.CANCELLED])
    else:
        publish_shipment_changes(tx, shipment, shipment.cancel())


@publishes(ShipmentFailedV1)
async def give_up_shipment(event: ShippingDueV1, tx: Transaction) -> None:
    """Fail what no carrier took in time."""
    shipment = await existing_shipment(tx, event.order_id)
    has_address = await store.address_for(tx, shipment) is not None
    changes = shipment.look_at_deadline(tx.now, deadlines().shipping, has_address=has_address)
    publish_shipment_changes(tx, shipment, changes)


@publishes()
async def prepare_booking(event: ShipmentScheduledV1 | BookingDueV1, tx: Transaction) -> Book | None:
    """Write down which carrier is about to be asked. Waits for an address until the deadline."""
    shipment = await existing_shipment(tx, event.order_id)
    if shipment.status is not Status.SCHEDULED:
        return None
    address, asked_before = await store.address_for(tx, shipment), not shipment.is_untouched
    if asked_before and (address is None or address.address_id != shipment.address_id):
        # erased meanwhile: another can't be asked for under the same key
        publish_shipment_changes(tx, shipment, shipment.rebook())
        return None
    if address is None:
        raise RetryLater(ADDRESS_PAUSE)
    shipment.address_id = address.address_id
    carrier = shipment.ask_carrier(tx.now)
    return Book(shipment.order_id, shipment.shipment_id, carrier, address.place, asked_before=asked_before)


@publishes()
async def prepare_unbooking(event: UnbookingDueV1, tx: Transaction) -> Unbook | None:
    """Find the carrier that may hold a parcel which is not to leave."""
    shipment = await existing_shipment(tx, event.order_id)
    if shipment.status is not Status.STOPPING or shipment.carrier is None:
        return None
    return Unbook(shipment.shipment_id, shipment.carrier)


@publishes(ShipmentCancelledV1, CancellationRefusedV1, ShipmentFailedV1)
async def record_answer(
    event: ShipmentScheduledV1 | BookingDueV1 | UnbookingDueV1, answer: Answer, tx: Transaction
) -> None:
    """Take in what a carrier answered, as far as the shipment still cares."""
    shipment = await existing_shipment(tx, event.order_id)
    match answer:
        case Booked(carrier, tracking_code):
            changes = shipment.booked(carrier, tracking_code)
        case NotBooked(carrier):
            changes = shipment.not_booked(carrier)
        case Closed(carrier):
            changes = shipment.key_closed(carrier)
        case Left(carrier):
            changes = shipment.left_already(carrier)
    publish_shipment_changes(tx, shipment, changes)


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
async def look_after_shipments(tx: Transaction) -> int:
    """See to it that every shipment gets on: carriers that say nothing are asked, lost deadlines are replaced.

    Returns how many deadlines were lost.
    """
    lost, now = 0, tx.now
    for shipment in await store.overdue_shipments(tx, now):
        if shipment.has_ended:  # by code that did not know of this column yet
            shipment.look_at = None
            continue
        due, at = _due_next(shipment, now)
        if not await tx.will_hear(due):
            tx.schedule(due, after=max(at - now, AT_ONCE))
            lost += not shipment.is_with_carrier
        shipment.look_again(now, deadlines().silence)
    return lost


def _due_next(shipment: Shipment, now: datetime) -> tuple[Event, datetime]:
    """What has to happen to a shipment that has not come to its end, and when."""
    if shipment.is_with_carrier:
        return TrackingDueV1(order_id=shipment.order_id), now
    if shipment.status is Status.STOPPING:
        return UnbookingDueV1(order_id=shipment.order_id), now
    return ShippingDueV1(order_id=shipment.order_id), shipment.due_at


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


async def existing_shipment(tx: Transaction, order_id: UUID) -> Shipment:
    """The order's shipment, of which an event was published. Raises `Reject` if there is none."""
    shipment = await tx.get(Shipment, order_id)
    if shipment is None:
        raise Reject(f"there is no shipment for order {order_id}: its row was lost after its event was said")
    return shipment
