"""What notifications hears, says and serves."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from contracts.cart import CartAbandonedV1
from contracts.catalog import StockRunningLowV1
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1, OrderDeliveredV1, PaymentRefundedV1
from contracts.delivery import CancellationRefusedV1, ShipmentDispatchedV1, ShipmentDispatchedV2
from contracts.notifications import NotificationFailedV1, NotificationSentV1
from contracts.upcasts import shipment_dispatched_v2
from infra.messaging import Reaction
from infra.runtime import Service, on, subscription
from infra.storage import Transaction
from notifications import api, gateways
from notifications.handlers import Heard, load_for_orders, prepare_mail, record_mail

PERSISTENT = 10_000
"""Attempts: mail waits for a mail server that is away."""


def tell(
    event: type[Heard], *, load: Callable[[Sequence[Any], Transaction], Awaitable[None]] | None = load_for_orders
) -> Reaction:
    """Send a mail about each `event`."""
    return on(event, prepare=prepare_mail, ask=gateways.send, record=record_mail, load=load, attempts=PERSISTENT)


SERVICE = Service(
    name="notifications",
    hears=[
        subscription(
            "mail",
            tell(OrderConfirmedV1),
            tell(OrderCancelledV1),
            tell(PaymentRefundedV1),
            tell(OrderDeliveredV1),
            tell(ShipmentDispatchedV2).or_older(ShipmentDispatchedV1, shipment_dispatched_v2),
            tell(CancellationRefusedV1),
            tell(CartAbandonedV1, load=None),
            tell(StockRunningLowV1, load=None),
            concurrency=16,
            batch=50,
        )
    ],
    says=[NotificationSentV1, NotificationFailedV1],
    routes=api.router,
    migrations=Path(__file__).parent / "migrations",
    outside=gateways.connect,
)
