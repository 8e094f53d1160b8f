"""Use cases of delivery. Each loads its objects, applies the rules and publishes the changes."""

from delivery.handlers.addresses import announce_addresses, erase_address, forget_past_addresses, record_address
from delivery.handlers.booking import prepare_booking, prepare_unbooking, record_answer
from delivery.handlers.shipments import cancel_shipment, give_up_shipment, look_after_shipments, schedule_shipment
from delivery.handlers.tracking import prepare_tracking, record_tracking, track_shipment

__all__ = [
    "announce_addresses",
    "cancel_shipment",
    "erase_address",
    "forget_past_addresses",
    "give_up_shipment",
    "look_after_shipments",
    "prepare_booking",
    "prepare_tracking",
    "prepare_unbooking",
    "record_address",
    "record_answer",
    "record_tracking",
    "schedule_shipment",
    "track_shipment",
]
