"""The checkout of a cart: the order made from it, and its state."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


@dataclass
class Checkout:
    """An order made from a cart. It is open until it is confirmed or cancelled."""

    order_id: UUID
    customer_id: str
    quantities: dict[UUID, int]
    """Units by product; never changed."""
    state: State = State.OPEN
