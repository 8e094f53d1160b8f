"""Upcasts: pure functions that turn an old version of an event into the next one.

`on(ShipmentDispatchedV2, …).or_older(ShipmentDispatchedV1, shipment_dispatched_v2)` gives a handler of V2 the events
that were published as V1.
"""

from collections.abc import Callable, Mapping
from typing import Any

from contracts.delivery import ShipmentDispatchedV1, ShipmentDispatchedV2, Tracking
from marketplace_runtime.events import Event


def shipment_dispatched_v2(old: ShipmentDispatchedV1) -> ShipmentDispatchedV2:
    """Return the event as V2. Raises ValidationError if V1 has no carrier or no tracking code."""
    return ShipmentDispatchedV2(
        order_id=old.order_id,
        shipment_id=old.shipment_id,
        customer_id=old.customer_id,
        tracking=Tracking(carrier=old.carrier, code=old.tracking_code),
    )


UPCASTS: Mapping[type[Event], Callable[[Any], Event]] = {
    ShipmentDispatchedV1: shipment_dispatched_v2,
}
"""Upcasts by the old version. A test checks that every version except the newest is here."""


def upcast_to_newest(event: Event) -> Event:
    """Return `event` in its newest version. Raises ValidationError if that version cannot express it."""
    while type(event) in UPCASTS:
        event = UPCASTS[type(event)](event)
    return event
