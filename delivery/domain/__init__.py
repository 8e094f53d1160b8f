"""The domain rules of addresses and shipments. Uses the standard library only."""

from delivery.domain.address import Address, AddressChange, Erased, PastAddress, PostalAddress, Recorded
from delivery.domain.shipment import CARRIERS, DEADLINE_TOLERANCE, Shipment, WrongCarrier
from delivery.domain.states import Aim, Failure, ShipmentChange, Status

__all__ = [
    "CARRIERS",
    "DEADLINE_TOLERANCE",
    "Address",
    "AddressChange",
    "Aim",
    "Erased",
    "Failure",
    "PastAddress",
    "PostalAddress",
    "Recorded",
    "Shipment",
    "ShipmentChange",
    "Status",
    "WrongCarrier",
]
