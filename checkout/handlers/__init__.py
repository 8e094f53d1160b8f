"""Use cases of checkout. Each loads the order, applies the rules and publishes the changes."""

from checkout.handlers.addresses import copy_address
from checkout.handlers.payments import (
    prepare_charge,
    prepare_refund,
    prepare_void,
    record_payment,
    record_refund,
    stop_waiting_for_payment,
)
from checkout.handlers.placing import expire_order, place_order, reject_order, schedule_expiry, stop_waiting_for_stock
from checkout.handlers.shipments import (
    cancel_order,
    cancel_stopped_order,
    cancel_unshippable_order,
    complete_order,
    note_delay,
    note_dispatch,
    refuse_cancellation,
)

__all__ = [
    "cancel_order",
    "cancel_stopped_order",
    "cancel_unshippable_order",
    "complete_order",
    "copy_address",
    "expire_order",
    "note_delay",
    "note_dispatch",
    "place_order",
    "prepare_charge",
    "prepare_refund",
    "prepare_void",
    "record_payment",
    "record_refund",
    "refuse_cancellation",
    "reject_order",
    "schedule_expiry",
    "stop_waiting_for_payment",
    "stop_waiting_for_stock",
]
