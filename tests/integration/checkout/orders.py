"""Orders to begin a test with."""

from datetime import UTC, datetime
from uuid import UUID

from checkout.domain import Line, Money, Order
from marketplace_runtime.database import new_id

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINE = Line(UUID("01930000-0000-7000-8000-000000000002"), 2, Money(700, "EUR"))


def an_order(customer: str = "ada") -> Order:
    return Order.place(new_id(), customer, [LINE], Money(1400, "EUR"), at=NOON)


def confirmed(order: Order) -> Order:
    order.reserve(NOON)
    order.captured(str(order.ask_provider(NOON)), NOON)
    return order
