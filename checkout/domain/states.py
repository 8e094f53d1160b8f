"""Enumerations of an order: its status, the state of its payment, and the reasons for a cancellation."""

from enum import StrEnum


class Status(StrEnum):
    PLACED = "placed"
    """The order waits for the catalog to reserve its stock."""
    PAYING = "paying"
    """Stock is reserved. The order waits for its payment, or for an address before that."""
    VOIDING = "voiding"
    """The order was given up, but a provider may hold the money."""
    CONFIRMED = "confirmed"
    CANCELLING = "cancelling"
    """The customer asked to cancel a confirmed order. Delivery decides."""
    CANCELLED = "cancelled"
    DELIVERED = "delivered"


class Payment(StrEnum):
    NONE = "none"
    ASKED = "asked"
    """The provider was asked, or is about to be. The outcome is unknown."""
    NOT_CHARGED = "not-charged"
    """The provider did not charge, and no request that could charge is still on its way."""
    CLOSING = "closing"
    """The provider answered that it did not charge, but another request may still reach it. Its key is being closed."""
    DECLINED = "declined"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Reason(StrEnum):
    """The reason why an order was cancelled."""

    CUSTOMER = "customer"
    STOCK_REJECTED = "stock-rejected"
    PRICE_CHANGED = "price-changed"
    NO_STOCK_ANSWER = "no-stock-answer"
    RESERVATION_EXPIRED = "reservation-expired"
    PAYMENT_DECLINED = "payment-declined"
    PAYMENT_TIMED_OUT = "payment-timed-out"
    SHIPPING_FAILED = "shipping-failed"
    NO_ADDRESS = "no-address"
