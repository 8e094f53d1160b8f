"""The events about which mail is sent, with the kind and the text of each mail."""

from iso4217 import Currency

from contracts import Event
from contracts.cart import CartAbandonedV1
from contracts.catalog import StockRunningLowV1
from contracts.checkout import (
    CancellationReason,
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderDeliveredV1,
    PaymentRefundedV1,
)
from contracts.delivery import CancellationRefusedV1, ShipmentDispatchedV2
from contracts.notifications import WebhookDisabledReason, WebhookDisabledV1
from notifications.domain import Kind

CANCELLATION_TEXTS = {
    CancellationReason.CUSTOMER: "as you wished",
    CancellationReason.STOCK_REJECTED: "since not everything in it was available",
    CancellationReason.PRICE_CHANGED: "since a price had changed",
    CancellationReason.NO_STOCK_ANSWER: "since we could not find out whether everything in it is available",
    CancellationReason.RESERVATION_EXPIRED: "since it was not paid in time",
    CancellationReason.PAYMENT_DECLINED: "since the payment was declined",
    CancellationReason.PAYMENT_TIMED_OUT: "since the payment did not succeed in time",
    CancellationReason.SHIPPING_FAILED: "since it could not be shipped",
}

DETAIL_TEXTS = {
    "no-address": "since we have no address to bring it to. Record your address, then check out again",
}
"""Texts for the details of a cancellation that are more specific than its reason."""

DISABLED_TEXTS = {
    WebhookDisabledReason.FAILING: "it has failed for too long",
    WebhookDisabledReason.GONE: "it answered 410 Gone",
    WebhookDisabledReason.OVERRUN: "too many events are waiting for it",
}

OrderEvent = (
    OrderConfirmedV1
    | OrderCancelledV1
    | PaymentRefundedV1
    | OrderDeliveredV1
    | ShipmentDispatchedV2
    | CancellationRefusedV1
)
MailEvent = OrderEvent | CartAbandonedV1 | StockRunningLowV1 | WebhookDisabledV1

KINDS: dict[type[Event], Kind] = {
    OrderConfirmedV1: Kind.ORDER_CONFIRMED,
    OrderCancelledV1: Kind.ORDER_CANCELLED,
    PaymentRefundedV1: Kind.PAYMENT_REFUNDED,
    OrderDeliveredV1: Kind.ORDER_DELIVERED,
    ShipmentDispatchedV2: Kind.SHIPMENT_DISPATCHED,
    CancellationRefusedV1: Kind.CANCELLATION_REFUSED,
    CartAbandonedV1: Kind.CART_ABANDONED,
    StockRunningLowV1: Kind.STOCK_RUNNING_LOW,
    WebhookDisabledV1: Kind.WEBHOOK_DISABLED,
}

DEFAULT_DECIMALS = 2
"""Decimals of a currency that is no longer in ISO 4217, or has no minor unit there."""


def text_of(event: MailEvent) -> str:  # noqa: PLR0911 - one arm per event
    """Return the body of the mail about an event."""
    match event:
        case OrderConfirmedV1():
            total = as_money(event.total.amount, event.total.currency)
            return f"Order {event.order_id} is paid: {total}. We are getting it ready.\n"
        case OrderCancelledV1():
            why = DETAIL_TEXTS.get(event.detail or "", CANCELLATION_TEXTS[event.reason])
            return f"Order {event.order_id} was cancelled, {why}.\nWhat you paid, if anything, will be given back.\n"
        case PaymentRefundedV1():
            return f"We gave back {as_money(event.amount.amount, event.amount.currency)} for order {event.order_id}.\n"
        case OrderDeliveredV1():
            return f"Order {event.order_id} was delivered. Enjoy!\n"
        case ShipmentDispatchedV2():
            where = f"carrier {event.tracking.carrier}, tracking code {event.tracking.code}"
            return f"Order {event.order_id} is on its way: {where}.\n"
        case CancellationRefusedV1():
            return f"Order {event.order_id} could not be cancelled: the parcel is already on its way.\n"
        case CartAbandonedV1():
            count = len(event.product_ids)
            return f"There {'is 1 product' if count == 1 else f'are {count} products'} in your cart.\n"
        case StockRunningLowV1():
            return f"Units left of product {event.product_id}: {event.available}.\n"
        case WebhookDisabledV1():
            path = f"/webhooks/{event.endpoint_id}"
            return (
                f"Nothing is sent to your webhook endpoint {event.endpoint_id} any more: "
                f"{DISABLED_TEXTS[event.reason]}.\n"
                f"Once it works, POST {path}/enable. What it misses until then is kept for 7 days:\n"
                f"to have it sent, POST {path}/redeliver-missed.\n"
            )


def as_money(amount: int, currency: str) -> str:
    """Format an amount in minor units for people: 1999 EUR as `19.99 EUR`, 1500 XOF as `1500 XOF`."""
    decimals = _decimals(currency)
    if decimals == 0:
        return f"{amount} {currency}"
    whole, rest = divmod(amount, 10**decimals)
    return f"{whole}.{rest:0{decimals}} {currency}"


def _decimals(currency: str) -> int:
    try:
        known = Currency(currency).exponent
    except ValueError:
        return DEFAULT_DECIMALS
    return DEFAULT_DECIMALS if known is None else known
