"""The domain rules of addresses and shipments. Uses the standard library only."""

from delivery.domain.address import Address, AddressChange, Erased, PastAddress, Place, Recorded
from delivery.domain.shipment import CARRIERS, PUNCTUAL, NotItsCarrier, Shipment
from delivery.domain.states import Aim, Failure, ShipmentChange, Status

__all__ = [
    "CARRIERS",
    "PUNCTUAL",
    "Address",
    "AddressChange",
    "Aim",
    "Erased",
    "Failure",
    "NotItsCarrier",
    "PastAddress",
    "PostalAddress",
    "Recorded",
    "Shipment",
    "ShipmentChange",
    "Status",
]
