"""Orders to begin a test with."""

from datetime import UTC, datetime
from uuid import UUID

from checkout.domain import Line, Money, Order, paying, placing
from marketplace_runtime.database import new_id

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINE = Line(UUID("01930000-0000-7000-8000-000000000002"), 2, Money(700, "EUR"))


def an_order(customer: str = "ada") -> Order:
    return placing.place(new_id(), customer, [LINE], Money(1400, "EUR"), at=NOON)


def confirmed(order: Order) -> Order:
    placing.reserve(order, NOON)
    paying.captured(order, str(paying.ask_provider(order, NOON)), NOON)
    return order
