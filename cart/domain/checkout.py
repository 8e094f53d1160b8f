"""A checkout: one order made of a cart, and whether it is decided."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


@dataclass
class Checkout:
    """One order made of a cart, until it is confirmed or cancelled."""

    order_id: UUID
    customer_id: str
    quantities: dict[UUID, int]
    """Units by product; never changed."""
    state: State = State.OPEN
