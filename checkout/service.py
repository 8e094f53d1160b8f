"""Declares the checkout service: its subscriptions, the events it publishes and its HTTP routes."""

from pathlib import Path

from checkout import api, gateways, handlers
from checkout.store import load_addresses, load_orders, rebuild
from contracts.cart import CartCheckedOutV1
from contracts.catalog import ReservationExpiredV1, StockRejectedV1, StockReservedV1
from contracts.checkout import (
    CancellationRequestedV1,
    ChargeDueV1,
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderDeliveredV1,
    OrderPlacedV1,
    PaymentCapturedV1,
    PaymentDeclinedV1,
    PaymentDueV1,
    PaymentRefundedV1,
    RefundDueV1,
    ReservationOverV1,
    ShippingOverdueV1,
    StockAnswerDueV1,
    VoidDueV1,
)
from contracts.delivery import (
    AddressErasedV1,
    AddressRecordedV1,
    CancellationRefusedV1,
    ShipmentCancelledV1,
    ShipmentDeliveredV1,
    ShipmentDispatchedV1,
    ShipmentFailedV1,
)
from contracts.naming import MARKETPLACE
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.service import Service, caller

UNLIMITED = None
"""Value of `attempts` for calls that are retried without limit, because money is at stake.

Charges end at the payment deadline of their order.
"""

SERVICE = Service(
    name="checkout",
    naming=MARKETPLACE,
    subscriptions=[
        subscription("carts", on(CartCheckedOutV1, handlers.place_order, load=load_orders)),
        subscription(
            "stock",
            on(StockRejectedV1, handlers.reject_order, load=load_orders),
            on(ReservationExpiredV1, handlers.schedule_expiry),
        ),
        subscription(
            "addresses",
            on(AddressRecordedV1, handlers.copy_address, load=load_addresses),
            on(AddressErasedV1, handlers.copy_address, load=load_addresses),
        ),
        subscription(
            "shipments",
            on(ShipmentDispatchedV1, handlers.note_dispatch, load=load_orders),
            on(ShipmentDeliveredV1, handlers.complete_order, load=load_orders),
            on(ShipmentFailedV1, handlers.cancel_unshippable_order, load=load_orders),
            on(ShipmentCancelledV1, handlers.cancel_stopped_order, load=load_orders),
            on(CancellationRefusedV1, handlers.refuse_cancellation, load=load_orders),
        ),
        subscription(
            "deadlines",
            on(ReservationOverV1, handlers.expire_order, load=load_orders, deadline=True),
            on(StockAnswerDueV1, handlers.stop_waiting_for_stock, load=load_orders, deadline=True),
            on(PaymentDueV1, handlers.stop_waiting_for_payment, load=load_orders, deadline=True),
            on(ShippingOverdueV1, handlers.note_delay, load=load_orders, deadline=True),
        ),
        # Each kind of provider call has its own subscription, so that a charge that hangs delays no refund.
        subscription(
            "reservations",
            on(
                StockReservedV1,
                prepare=handlers.prepare_charge,
                call=gateways.charge_or_void,
                record=handlers.record_payment,
                load=load_orders,
                attempts=UNLIMITED,
            ),
            concurrency=32,
        ),
        subscription(
            "charges",
            on(
                ChargeDueV1,
                prepare=handlers.prepare_charge,
                call=gateways.charge_or_void,
                record=handlers.record_payment,
                load=load_orders,
                attempts=UNLIMITED,
            ),
        ),
        subscription(
            "voids",
            on(
                VoidDueV1,
                prepare=handlers.prepare_void,
                call=gateways.charge_or_void,
                record=handlers.record_payment,
                load=load_orders,
                attempts=UNLIMITED,
            ),
        ),
        subscription(
            "refunds",
            on(
                RefundDueV1,
                prepare=handlers.prepare_refund,
                call=gateways.refund,
                record=handlers.record_refund,
                load=load_orders,
                attempts=UNLIMITED,
            ),
        ),
    ],
    publishes=[
        OrderPlacedV1,
        PaymentCapturedV1,
        PaymentDeclinedV1,
        OrderConfirmedV1,
        CancellationRequestedV1,
        OrderCancelledV1,
        PaymentRefundedV1,
        OrderDeliveredV1,
    ],
    routes=api.router,
    exposed=[
        caller("GET /orders", "GET /orders/{order_id}/journal", cost=5),
        caller("GET /orders/{order_id}", "POST /orders/{order_id}/cancel"),
    ],
    migrations=Path(__file__).parent / "migrations",
    clients=gateways.connect,
    rebuild=rebuild,
)
