"""The events that delivery publishes: recorded addresses and the life of a shipment, one for each confirmed order."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace_runtime.events import Event, PersonId


class AddressRecordedV1(Event, type="delivery.address-recorded.v1", key="customer_id"):
    """A customer has set the address for future parcels. Only delivery knows the address itself."""

    customer_id: PersonId
    address_id: UUID
    """The id of this address. Every change gets a new id; an order names the address that it goes to."""
    revision: int = Field(ge=1)
    """Increases with every event about a customer's address. The highest counts, in whatever order events arrive."""


class AddressErasedV1(Event, type="delivery.address-erased.v1", key="customer_id"):
    """A customer has no address any more: all that were recorded are gone."""

    customer_id: PersonId
    revision: int = Field(ge=1)
    """Continues the sequence of revisions of AddressRecorded."""


class ShipmentScheduledV1(Event, type="delivery.shipment-scheduled.v1", key="order_id"):
    """A parcel is to be sent; no carrier has it yet."""

    order_id: UUID
    shipment_id: UUID
    customer_id: PersonId


class ShipmentDispatchedV1(Event, type="delivery.shipment-dispatched.v1", key="order_id", deprecated=date(2027, 6, 30)):
    """The carrier has the parcel: it can no longer be stopped."""

    order_id: UUID
    shipment_id: UUID
    customer_id: PersonId
    carrier: str
    tracking_code: str


class Tracking(BaseModel):
    """A parcel's carrier, and the code by which this carrier knows the parcel."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    carrier: str = Field(min_length=1)
    code: str = Field(min_length=1)


class ShipmentDispatchedV2(Event, type="delivery.shipment-dispatched.v2", key="order_id"):
    """The carrier has the parcel: it can no longer be stopped. In V1 carrier and code may be empty."""

    order_id: UUID
    shipment_id: UUID
    customer_id: PersonId
    tracking: Tracking


class ShipmentDeliveredV1(Event, type="delivery.shipment-delivered.v1", key="order_id"):
    """The carrier handed the parcel over."""

    order_id: UUID
    shipment_id: UUID
    customer_id: PersonId


class ShipmentFailureReason(StrEnum):
    NO_CARRIER = "no-carrier"
    NO_ADDRESS = "no-address"


class ShipmentFailedV1(Event, type="delivery.shipment-failed.v1", key="order_id"):
    """No parcel was sent and none will be."""

    order_id: UUID
    shipment_id: UUID
    customer_id: PersonId
    reason: ShipmentFailureReason


class ShipmentCancelledV1(Event, type="delivery.shipment-cancelled.v1", key="order_id"):
    """The parcel was stopped in time; none will be sent."""

    order_id: UUID


class RefusalReason(StrEnum):
    ALREADY_DISPATCHED = "already-dispatched"


class CancellationRefusedV1(Event, type="delivery.cancellation-refused.v1", key="order_id"):
    """It is too late to stop the parcel."""

    order_id: UUID
    reason: RefusalReason


class ShippingDueV1(Event, type="delivery.shipping-due.v1", key="order_id", internal=True):
    """Deadline: check whether a carrier took the booking; if not, give the shipment up."""

    order_id: UUID


class BookingDueV1(Event, type="delivery.booking-due.v1", key="order_id", internal=True):
    """Book the next carrier, after one answered that it did not take the booking."""

    order_id: UUID


class TrackingDueV1(Event, type="delivery.tracking-due.v1", key="order_id", internal=True):
    """Ask the carrier where the parcel is, since the carrier has reported nothing for a while."""

    order_id: UUID


class UnbookingDueV1(Event, type="delivery.unbooking-due.v1", key="order_id", internal=True):
    """Cancel the booking at the carrier that was asked for it, then cancel or fail the shipment."""

    order_id: UUID
