"""The work that is measured: one event in, one row of state, one event out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from pamqp.commands import Basic

from contracts import Envelope, Money
from contracts.cart import CartCheckedOutV1, Line
from contracts.checkout import OrderPlacedV1
from marketplace_runtime.amqp import properties_of
from marketplace_runtime.database import new_id
from marketplace_runtime.telemetry import new_traceparent

MIGRATIONS = Path(__file__).parent / "migrations"

SERVICE, SUBSCRIPTION = "checkout", "carts"
QUEUE = f"{SERVICE}.{SUBSCRIPTION}"
"""The queue in which events wait for the contender."""
OUTGOING = "catalog.orders"
"""The queue in which the contender's events arrive."""
EVENT_IN, EVENT_OUT = CartCheckedOutV1.type, OrderPlacedV1.type
EXCHANGE_IN, EXCHANGE_OUT = "cart.events", "checkout.events"


class Work(StrEnum):
    """The change that a handler makes to its row."""

    INSERT = "insert"
    UPDATE = "update"


@dataclass(frozen=True)
class Assignment:
    """The settings of a contender's process, passed in its environment."""

    database_url: str
    broker_url: str
    work: Work
    prefetch: int
    history: bool = False
    """Whether its subscription is filled from the log."""

    @classmethod
    def given(cls) -> "Assignment":
        return cls(
            os.environ["DATABASE_URL"],
            os.environ["BROKER_URL"],
            Work(os.environ["BENCH_WORK"]),
            int(os.environ["BENCH_PREFETCH"]),
            bool(os.environ["BENCH_HISTORY"]),
        )

    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "BENCH_WORK": self.work,
            "BENCH_PREFETCH": str(self.prefetch),
            "BENCH_HISTORY": "yes" if self.history else "",
        }


def order_ids(number: int) -> list[UUID]:
    return [new_id() for _ in range(number)]


@dataclass(frozen=True, slots=True)
class Message:
    """An event ready to be published."""

    body: bytes
    properties: Basic.Properties


def events_of(orders: Sequence[UUID]) -> list[Message]:
    """Return one event for each order, each with its own id."""
    return [_event(order_id) for order_id in orders]


def _event(order_id: UUID) -> Message:
    price = Money(amount=1999, currency="EUR")
    lines = [Line(product_id=order_id, quantity=2, unit_price=price)]
    event = CartCheckedOutV1(
        order_id=order_id, customer_id="ada", lines=lines, total=Money(amount=3998, currency="EUR")
    )
    envelope = Envelope(new_id(), EVENT_IN, "cart", event.subject, datetime.now(UTC), new_traceparent(), new_id())
    return Message(event.model_dump_json(exclude_none=True).encode(), properties_of(envelope, user="cart"))
