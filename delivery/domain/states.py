"""Enumerations of a shipment: its status, the aim of stopping it, failures and changes."""

from enum import StrEnum, auto


class Status(StrEnum):
    SCHEDULED = "scheduled"
    """To be booked; a carrier may have been asked."""
    BOOKED = "booked"
    """A carrier will fetch it."""
    STOPPING = "stopping"
    """The carrier that was asked is being told to forget it."""
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    """Stopped as the customer wished; never left."""
    FAILED = "failed"
    """Given up; never left."""


class Aim(StrEnum):
    """What a shipment is stopped for."""

    CANCEL = "cancel"
    GIVE_UP = "give-up"
    REBOOK = "rebook"
    """Its carrier refuses, but an earlier request may yet arrive there: closed before the next is asked."""


class Failure(StrEnum):
    NO_CARRIER = "no-carrier"
    NO_ADDRESS = "no-address"


class ShipmentChange(StrEnum):
    """What happened to a shipment, or must happen next."""

    SCHEDULED = auto()
    TO_BE_BOOKED = auto()
    """The next carrier is asked at once."""
    REFUSED_BY_ALL_CARRIERS = auto()
    """In this round; the next begins after a pause."""
    TO_BE_UNBOOKED = auto()
    """Its carrier is told to forget it."""
    DEADLINE_EXTENDED = auto()
    DISPATCHED = auto()
    DELIVERED = auto()
    CANCELLED = auto()
    CANCELLATION_REFUSED = auto()
    FAILED = auto()
