"""The rules of addresses and shipments; standard library only."""

from delivery.domain.address import Address, PastAddress, Place
from delivery.domain.shipment import CARRIERS, PUNCTUAL, NotItsCarrier, Shipment
from delivery.domain.states import Aim, Failure, Status, Step

__all__ = [
    "CARRIERS",
    "PUNCTUAL",
    "Address",
    "Aim",
    "Failure",
    "NotItsCarrier",
    "PastAddress",
    "Place",
    "Shipment",
    "Status",
    "Step",
]
