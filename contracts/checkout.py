"""The events that checkout publishes: the life of an order and of its payment."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.cart import Line
from contracts.money import Money
from marketplace_runtime.events import Event, PersonId


class CancellationReason(StrEnum):
    CUSTOMER = "customer"
    STOCK_REJECTED = "stock-rejected"
    PRICE_CHANGED = "price-changed"
    NO_STOCK_ANSWER = "no-stock-answer"
    RESERVATION_EXPIRED = "reservation-expired"
    PAYMENT_DECLINED = "payment-declined"
    PAYMENT_TIMED_OUT = "payment-timed-out"
    SHIPPING_FAILED = "shipping-failed"


class OrderPlacedV1(Event, type="checkout.order-placed.v1", key="order_id"):
    """An order exists; nothing is reserved or charged yet."""

    order_id: UUID
    customer_id: PersonId
    lines: list[Line] = Field(min_length=1, max_length=50)
    total: Money


class PaymentCapturedV1(Event, type="checkout.payment-captured.v1", key="order_id"):
    """A provider holds the order's total for us."""

    order_id: UUID
    customer_id: PersonId
    provider: str
    amount: Money


class PaymentDeclinedV1(Event, type="checkout.payment-declined.v1", key="order_id"):
    """The last provider that was asked did not charge."""

    order_id: UUID
    customer_id: PersonId
    provider: str


class OrderConfirmedV1(Event, type="checkout.order-confirmed.v1", key="order_id"):
    """Stock is reserved and paid for: from here on the order is kept, or cancelled with a refund."""

    order_id: UUID
    customer_id: PersonId
    lines: list[Line] = Field(min_length=1, max_length=50)
    total: Money
    address_id: UUID | None = None
    """The id of delivery's address as of checkout, to which the parcel goes. None in events from before these ids."""


class CancellationRequestedV1(Event, type="checkout.cancellation-requested.v1", key="order_id"):
    """The customer wants a confirmed order stopped; delivery decides whether it still can be."""

    order_id: UUID
    customer_id: PersonId


class OrderCancelledV1(Event, type="checkout.order-cancelled.v1", key="order_id"):
    """The order is over. Whatever it holds anywhere is to be given back."""

    order_id: UUID
    customer_id: PersonId
    reason: CancellationReason
    detail: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=64)] | None = None
    """A finer reason than `reason` has: `no-address` with `shipping-failed`. Readers treat unknown values as None."""


class PaymentRefundedV1(Event, type="checkout.payment-refunded.v1", key="order_id"):
    """The provider gave the whole amount back."""

    order_id: UUID
    customer_id: PersonId
    provider: str
    amount: Money


class OrderDeliveredV1(Event, type="checkout.order-delivered.v1", key="order_id"):
    """The parcel arrived; nothing can happen to the order any more."""

    order_id: UUID
    customer_id: PersonId


class StockAnswerDueV1(Event, type="checkout.stock-answer-due.v1", key="order_id", internal=True):
    """Deadline: look whether the catalog has answered."""

    order_id: UUID


class ReservationOverV1(Event, type="checkout.reservation-over.v1", key="order_id", internal=True):
    """Deadline, at once: the stock's reservation expired; cancel unless the order is paid."""

    order_id: UUID


class PaymentDueV1(Event, type="checkout.payment-due.v1", key="order_id", internal=True):
    """Deadline: look whether the order is paid; if not, void and cancel."""

    order_id: UUID


class ChargeDueV1(Event, type="checkout.charge-due.v1", key="order_id", internal=True):
    """Ask the next provider, after one answered that it did not charge."""

    order_id: UUID


class VoidDueV1(Event, type="checkout.void-due.v1", key="order_id", internal=True):
    """Make sure that the provider which was asked holds nothing, then cancel."""

    order_id: UUID


class RefundDueV1(Event, type="checkout.refund-due.v1", key="order_id", internal=True):
    """Give a cancelled order's money back."""

    order_id: UUID


class ShippingOverdueV1(Event, type="checkout.shipping-overdue.v1", key="order_id", internal=True):
    """Deadline: look whether the parcel left; if not, tell the customer that it is delayed."""

    order_id: UUID
