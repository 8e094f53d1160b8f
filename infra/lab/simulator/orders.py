"""Keeps the simulator's own account of every checkout, stock change and cart change, and of their outcomes."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

_FINAL_STATUSES = frozenset({"delivered", "cancelled"})
_IMPLIED = {
    "confirmed": {"confirmed"},
    "cancelling": {"confirmed"},
    "cancelled": {"cancelled"},
    "delivered": {"confirmed", "delivered"},
}
"""States that an order must have reached if it has this status."""


@dataclass
class Order:
    """An accepted order, as far as the simulator has observed it."""

    id: str
    customer: str
    requested_at: float
    """When the shopper meant to check out, in seconds since the epoch."""
    status: str = ""
    since: float = 0.0
    """When the order reached its status, or when the simulator first saw that status, in seconds since the epoch."""
    reached: set[str] = field(default_factory=set)
    times: dict[str, float] = field(default_factory=dict)
    """When the order reached each state, in seconds since the epoch. `accepted` is when the simulator received the
    answer; the others come from the order's journal."""

    @property
    def confirmed_at(self) -> float | None:
        """When the order was confirmed, or None if that is unknown."""
        return self.times.get("confirmed")

    @property
    def is_over(self) -> bool:
        """Whether the order has reached a final state."""
        return self.status in _FINAL_STATUSES

    def saw_status(self, status: str) -> None:
        """Record the status that an order list shows."""
        if status != self.status:
            self.status, self.since = status, time.time()
        self.reached |= _IMPLIED.get(status, set())

    def saw_journal(self, entries: Iterable[dict[str, Any]]) -> None:
        """Take over every state change, with its time, from the entries of the order's journal."""
        for entry in entries:
            at = datetime.fromisoformat(entry["at"]).timestamp()
            self.since = at
            self.reached.add(entry["type"])
            self.times.setdefault(entry["type"], at)

    def describe_delay(self) -> str:
        """Describe, for people, in which status this unfinished order is stuck and for how long."""
        if not self.status:
            age = time.time() - self.requested_at
            return f"order {self.id} of customer {self.customer} has been unknown to checkout for {age:.0f} s"
        age = time.time() - self.since
        return f"order {self.id} of customer {self.customer} has been '{self.status}' for {age:.0f} s"


@dataclass(frozen=True)
class UnansweredCheckout:
    """A checkout that was sent and is not answered yet."""

    customer: str
    at: float


class OrderBook:
    """Tracks every checkout from before it is sent. Each step is written to the `record` file, if any, and flushed.

    The record has a JSON object per line. A checkout writes {"did": "ask", "key", "customer_id", "at"} and then, with
    the same key, {"did": "accept", "order_id"} or {"did": "refuse"}. Without one of these, its outcome is unknown.

    For counting stock: {"did": "list", "on_hand"} and {"did": "listed", "product_id"}; {"did": "restock", "product_id",
    "quantity"} and {"did": "restocked", "done"}.

    For checking carts: {"did": "put", "customer_id", "product_id", "quantity"} and {"did": "was put", "done",
    "in_checkout"}.
    """

    def __init__(self, record: Path | None) -> None:
        self.orders: dict[str, Order] = {}
        self.unanswered: dict[str, UnansweredCheckout] = {}
        """Checkouts without an answer, by idempotency key."""
        self._record: TextIO | None = None if record is None else record.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._record is not None:
            self._record.close()

    def note_checkout(self, key: str, customer: str, at: float) -> None:
        """Record that a checkout is about to be sent."""
        self._write({"did": "ask", "key": key, "customer_id": customer, "at": at})
        self.unanswered[key] = UnansweredCheckout(customer, at)

    def note_accepted(self, key: str, order_id: str) -> Order:
        """Record that a checkout was accepted. From now on, the order must reach a final state."""
        self._write({"did": "accept", "key": key, "order_id": order_id})
        unanswered = self.unanswered.pop(key)
        order = Order(order_id, unanswered.customer, unanswered.at, times={"accepted": time.time()})
        return self.orders.setdefault(order_id, order)

    def note_refused(self, key: str) -> None:
        """Record that a checkout was refused: there will be no order under this key."""
        self._write({"did": "refuse", "key": key})
        del self.unanswered[key]

    def note_listing(self, key: str, on_hand: int) -> None:
        """Record that a product is about to be listed."""
        self._write({"did": "list", "key": key, "on_hand": on_hand})

    def note_listed(self, key: str, product_id: str) -> None:
        """Record that the product was listed."""
        self._write({"did": "listed", "key": key, "product_id": product_id})

    def note_restock(self, key: str, product_id: str, quantity: int) -> None:
        """Record that units are about to be added to a product."""
        self._write({"did": "restock", "key": key, "product_id": product_id, "quantity": quantity})

    def note_restocked(self, key: str, *, done: bool) -> None:
        """Record whether the units were added. Do not call it if the answer is lost."""
        self._write({"did": "restocked", "key": key, "done": done})

    def note_quantity_change(self, key: str, customer: str, product_id: str, quantity: int) -> None:
        """Record that a customer is about to set the quantity of a product in the cart.

        The quantity includes units in an open checkout. 0 removes all units that are not in one.
        """
        what = {"customer_id": customer, "product_id": product_id, "quantity": quantity}
        self._write({"did": "put", "key": key, **what})

    def note_quantity_changed(self, key: str, *, done: bool, in_checkout: int | None) -> None:
        """Record whether the cart accepted the quantity, and how many units were in an open checkout then.

        `in_checkout` is None if the answer lacks it. Do not call this if the answer is lost.
        """
        self._write({"did": "was put", "key": key, "done": done, "in_checkout": in_checkout})

    def pending(self) -> list[Order]:
        """Return the accepted orders that are neither delivered nor cancelled."""
        return [order for order in self.orders.values() if not order.is_over]

    def _write(self, line: dict[str, Any]) -> None:
        if self._record is not None:
            self._record.write(json.dumps(line) + "\n")
            self._record.flush()
