"""Enumerations of a shipment: its status, the aim of stopping it, failures and changes."""

from enum import StrEnum, auto


class Status(StrEnum):
    SCHEDULED = "scheduled"
    """Not booked yet. A carrier may have been asked."""
    BOOKED = "booked"
    """A carrier will collect the parcel."""
    STOPPING = "stopping"
    """The booking at the carrier that was asked is being cancelled."""
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    """Stopped at the customer's request. The parcel was never dispatched."""
    FAILED = "failed"
    """Given up. The parcel was never dispatched."""


class Aim(StrEnum):
    """The purpose for which a shipment is stopped."""

    CANCEL = "cancel"
    GIVE_UP = "give-up"
    REBOOK = "rebook"
    """Book again after the carrier's key is closed, since an earlier request to it may still arrive there."""


class Failure(StrEnum):
    NO_CARRIER = "no-carrier"
    NO_ADDRESS = "no-address"


class ShipmentChange(StrEnum):
    """Something that happened to a shipment, or must happen next."""

    SCHEDULED = auto()
    TO_BE_BOOKED = auto()
    """The next carrier is to be asked without a pause."""
    REFUSED_BY_ALL_CARRIERS = auto()
    """All carriers refused in this round. The next round begins after a pause."""
    TO_BE_UNBOOKED = auto()
    """The booking at its carrier is to be cancelled."""
    DEADLINE_EXTENDED = auto()
    DISPATCHED = auto()
    DELIVERED = auto()
    CANCELLED = auto()
    CANCELLATION_REFUSED = auto()
    FAILED = auto()
