"""Old versions of events read as the next one: pure functions, for who still hears the old.

`on(ShipmentDispatchedV1, …, upcast=upcasts.shipment_dispatched_v2)` gives a handler of V2 what was said in V1.
"""

from collections.abc import Callable, Mapping
from typing import Any

from contracts.delivery import ShipmentDispatchedV1, ShipmentDispatchedV2, Tracking
from marketplace_runtime.events import Event


def shipment_dispatched_v2(old: ShipmentDispatchedV1) -> ShipmentDispatchedV2:
    """Raises ValidationError where V1 names no carrier or no code."""
    return ShipmentDispatchedV2(
        order_id=old.order_id,
        shipment_id=old.shipment_id,
        customer_id=old.customer_id,
        tracking=Tracking(carrier=old.carrier, code=old.tracking_code),
    )


UPCASTS: Mapping[type[Event], Callable[[Any], Event]] = {
    ShipmentDispatchedV1: shipment_dispatched_v2,
}
"""By the old version; a test holds that each version but the newest is here."""


def newest(event: Event) -> Event:
    """`event` in the newest version. Raises ValidationError where that can't hold what it states."""
    while type(event) in UPCASTS:
        event = UPCASTS[type(event)](event)
    return event
