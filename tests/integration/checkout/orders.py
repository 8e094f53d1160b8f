"""Builds orders for tests."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from checkout.domain import Entry, Line, Money, Order, paying, placing
from marketplace_runtime.database import new_id

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINE = Line(UUID("01930000-0000-7000-8000-000000000002"), 2, Money(700, "EUR"))


TOTAL = Money(1400, "EUR")


def an_order(*steps: Callable[[Order], list[Entry]], customer: str = "ada") -> tuple[Order, list[Entry]]:
    """Build an order, apply the steps, and return it with its journal."""
    order, journal = placing.place(new_id(), customer, [LINE], TOTAL, at=NOON)
    for step in steps:
        journal += step(order)
    return order, journal


def confirmed(order: Order) -> list[Entry]:
    reserved = placing.reserve(order, NOON)
    provider, asked = paying.choose_provider(order, NOON)
    return [*reserved, *asked, *paying.record_capture(order, str(provider), NOON)]
