"""The entries of an order's journal, and the values in them with their JSON form."""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID


class EntryType(StrEnum):
    PLACED = "placed"
    STOCK_RESERVED = "stock-reserved"
    STOCK_REJECTED = "stock-rejected"
    ADDRESS_AWAITED = "address-awaited"
    ADDRESS_KNOWN = "address-known"
    PAYMENT_ASKED = "payment-asked"
    PAYMENT_NOT_CHARGED = "payment-not-charged"
    PAYMENT_DOUBTED = "payment-doubted"
    """A request to the provider did not charge, but another one still may. Its idempotency key must be closed."""
    PAYMENT_CLOSED = "payment-closed"
    """The provider closed the idempotency key: it can never charge this order again."""
    PAYMENT_DECLINED = "payment-declined"
    PAYMENT_CAPTURED = "payment-captured"
    PAYMENT_VOIDED = "payment-voided"
    GIVEN_UP = "given-up"
    """The order will be cancelled, once it is certain that no provider holds its money."""
    CONFIRMED = "confirmed"
    CANCELLATION_REQUESTED = "cancellation-requested"
    CANCELLATION_REFUSED = "cancellation-refused"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    SHIPPING_DELAYED = "shipping-delayed"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"


@dataclass(frozen=True)
class Money:
    """An amount in whole minor units of one currency."""

    amount: int
    currency: str


@dataclass(frozen=True)
class Line:
    """The units of one product in an order, at the price that the customer saw, or at a lower one found since."""

    product_id: UUID
    quantity: int
    unit_price: Money

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "product_id": str(self.product_id)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(UUID(data["product_id"]), data["quantity"], Money(**data["unit_price"]))


@dataclass(frozen=True)
class RejectedLine:
    """The reason why the catalog rejected a line, with the units available and the price at that time, if known."""

    product_id: UUID
    reason: str
    requested: int
    available: int | None
    price: Money | None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "product_id": str(self.product_id)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        price = Money(**data["price"]) if data["price"] else None
        return cls(UUID(data["product_id"]), data["reason"], data["requested"], data["available"], price)


@dataclass
class Entry:
    """A record of one thing that happened to an order. `data` is JSON."""

    order_id: UUID
    version: int
    type: EntryType
    data: dict[str, Any]
    at: datetime
