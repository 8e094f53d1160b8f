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
    """A payment provider has charged the customer the order's total."""

    order_id: UUID
    customer_id: PersonId
    provider: str
    amount: Money


class PaymentDeclinedV1(Event, type="checkout.payment-declined.v1", key="order_id"):
    """A payment provider has declined the payment for good."""

    order_id: UUID
    customer_id: PersonId
    provider: str


class OrderConfirmedV1(Event, type="checkout.order-confirmed.v1", key="order_id"):
    """Stock is reserved and paid for: from now on the order is delivered, or cancelled with a refund."""

    order_id: UUID
    customer_id: PersonId
    lines: list[Line] = Field(min_length=1, max_length=50)
    total: Money
    address_id: UUID | None = None
    """The id of the address to which delivery sends the parcel. None in older events."""


class CancellationRequestedV1(Event, type="checkout.cancellation-requested.v1", key="order_id"):
    """The customer wants a confirmed order stopped; delivery decides whether it still can be."""

    order_id: UUID
    customer_id: PersonId


class OrderCancelledV1(Event, type="checkout.order-cancelled.v1", key="order_id"):
    """The order is cancelled. Each service gives back what it holds for the order."""

    order_id: UUID
    customer_id: PersonId
    reason: CancellationReason
    detail: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=64)] | None = None
    """Details of `reason`, such as `no-address` for `shipping-failed`. Consumers treat unknown values as None."""


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
    """Deadline: check whether the catalog has answered."""

    order_id: UUID


class ReservationOverV1(Event, type="checkout.reservation-over.v1", key="order_id", internal=True):
    """Deadline that is due at once: the reservation of stock expired; cancel the order unless it is paid."""

    order_id: UUID


class PaymentDueV1(Event, type="checkout.payment-due.v1", key="order_id", internal=True):
    """Deadline: check whether the order is paid; if not, void the charge and cancel the order."""

    order_id: UUID


class ChargeDueV1(Event, type="checkout.charge-due.v1", key="order_id", internal=True):
    """Charge the customer through the next payment provider, after one answered that it did not charge."""

    order_id: UUID


class VoidDueV1(Event, type="checkout.void-due.v1", key="order_id", internal=True):
    """Void the charge at the provider that was asked for it, then cancel the order."""

    order_id: UUID


class RefundDueV1(Event, type="checkout.refund-due.v1", key="order_id", internal=True):
    """Give a cancelled order's money back."""

    order_id: UUID


class ShippingOverdueV1(Event, type="checkout.shipping-overdue.v1", key="order_id", internal=True):
    """Deadline: check whether the parcel left; if not, show the customer that it is delayed."""

    order_id: UUID
