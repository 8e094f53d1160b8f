"""Where an order can stand, and why it was cancelled."""

from enum import StrEnum


class Status(StrEnum):
    PLACED = "placed"
    """Waiting for the catalog's answer."""
    PAYING = "paying"
    """Stock is reserved; a provider is being asked for the money."""
    VOIDING = "voiding"
    """Given up, but a provider may hold the money."""
    CONFIRMED = "confirmed"
    CANCELLING = "cancelling"
    """The customer wants it stopped; delivery decides."""
    CANCELLED = "cancelled"
    DELIVERED = "delivered"


class Payment(StrEnum):
    NONE = "none"
    ASKED = "asked"
    """The provider was asked, or is about to be; what it did is not known."""
    NOT_CHARGED = "not-charged"
    """The provider did not charge, and no request that could is on its way."""
    CLOSING = "closing"
    """The provider said that it did not charge, but an earlier request may still reach it."""
    DECLINED = "declined"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Reason(StrEnum):
    """Why an order was cancelled."""

    CUSTOMER = "customer"
    STOCK_REJECTED = "stock-rejected"
    PRICE_CHANGED = "price-changed"
    NO_STOCK_ANSWER = "no-stock-answer"
    RESERVATION_EXPIRED = "reservation-expired"
    PAYMENT_DECLINED = "payment-declined"
    PAYMENT_TIMED_OUT = "payment-timed-out"
    SHIPPING_FAILED = "shipping-failed"
    NO_ADDRESS = "no-address"
