"""Declares the delivery service: its subscriptions, the events it publishes and its HTTP routes."""

from pathlib import Path

from contracts.checkout import CancellationRequestedV1, OrderConfirmedV1
from contracts.delivery import (
    AddressErasedV1,
    AddressRecordedV1,
    BookingDueV1,
    CancellationRefusedV1,
    ShipmentCancelledV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentDispatchedV2,
    ShipmentFailedV1,
    ShipmentScheduledV1,
    ShippingDueV1,
    TrackingDueV1,
    UnbookingDueV1,
)
from contracts.naming import MARKETPLACE
from delivery import api, gateways, store
from delivery.handlers import (
    announce_addresses,
    cancel_shipment,
    forget_past_addresses,
    give_up_shipment,
    look_after_shipments,
    prepare_booking,
    prepare_tracking,
    prepare_unbooking,
    record_answer,
    record_tracking,
    schedule_shipment,
)
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.service import Service, anyone, caller

UNLIMITED = None
"""Value of `attempts` for calls that are retried without limit.

Bookings end at the deadline of their shipment. Cancellations are retried until they succeed.
"""

SERVICE = Service(
    name="delivery",
    naming=MARKETPLACE,
    subscriptions=[
        subscription(
            "orders",
            on(OrderConfirmedV1, schedule_shipment, load=store.load_shipments),
            on(CancellationRequestedV1, cancel_shipment, load=store.load_shipments),
            on(ShippingDueV1, give_up_shipment, load=store.load_shipments_and_addresses, deadline=True),
        ),
        subscription(
            "carriers",
            on(
                ShipmentScheduledV1,
                prepare=prepare_booking,
                call=gateways.book,
                record=record_answer,
                load=store.load_shipments_and_addresses,
                attempts=UNLIMITED,
            ),
            on(
                BookingDueV1,
                prepare=prepare_booking,
                call=gateways.book,
                record=record_answer,
                load=store.load_shipments_and_addresses,
                attempts=UNLIMITED,
            ),
            on(
                UnbookingDueV1,
                prepare=prepare_unbooking,
                call=gateways.unbook,
                record=record_answer,
                load=store.load_shipments,
                attempts=UNLIMITED,
            ),
            concurrency=32,
        ),
        subscription(
            "tracking",
            on(
                TrackingDueV1,
                prepare=prepare_tracking,
                call=gateways.track,
                record=record_tracking,
                load=store.load_shipments,
                attempts=UNLIMITED,
            ),
            concurrency=8,  # lower than for bookings, which are more urgent
        ),
    ],
    publishes=[
        AddressRecordedV1,
        AddressErasedV1,
        ShipmentScheduledV1,
        ShipmentDispatchedV1,
        ShipmentDispatchedV2,
        ShipmentDeliveredV1,
        ShipmentFailedV1,
        ShipmentCancelledV1,
        CancellationRefusedV1,
    ],
    sweeps=[look_after_shipments, announce_addresses, forget_past_addresses],
    routes=api.router,
    exposed=[
        caller("GET /addresses/{customer}", "PUT /addresses/{customer}", "DELETE /addresses/{customer}"),
        caller("GET /shipments/{order_id}"),
        anyone("POST /carriers/{carrier}/tracking", cost=0),  # signed by the carrier
    ],
    migrations=Path(__file__).parent / "migrations",
    clients=gateways.connect,
)
