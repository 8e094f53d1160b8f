"""The words for a shipment: where it is, why it is stopped, why it failed, and what follows from a change."""

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


class Step(StrEnum):
    """What follows from a change: something to do, or to say."""

    BOOK = auto()
    BOOK_LATER = auto()
    UNBOOK = auto()
    WAIT_LONGER = auto()
    SAY_DISPATCHED = auto()
    SAY_DELIVERED = auto()
    SAY_CANCELLED = auto()
    SAY_REFUSED = auto()
    SAY_FAILED = auto()
