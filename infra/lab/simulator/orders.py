"""What was asked for and what became of it."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

_OVER = frozenset({"delivered", "cancelled"})
_IMPLIED = {
    "confirmed": {"confirmed"},
    "cancelling": {"confirmed"},
    "cancelled": {"cancelled"},
    "delivered": {"confirmed", "delivered"},
}
"""What a status alone says of the states that an order has been in."""


@dataclass
class Order:
    """An accepted order, as far as we have seen."""

    id: str
    customer: str
    asked_at: float
    """When its shopper meant to check out, in seconds since the epoch."""
    status: str = ""
    since: float = 0.0
    """When it came to its status, or when we first saw it there."""
    reached: set[str] = field(default_factory=set)
    times: dict[str, float] = field(default_factory=dict)
    """Since the epoch, by the state that it came to: `accepted` when we heard it, the others by its journal."""

    @property
    def confirmed_at(self) -> float | None:
        """When it was confirmed, as far as is known."""
        return self.times.get("confirmed")

    @property
    def over(self) -> bool:
        """Whether nothing more can become of it."""
        return self.status in _OVER

    def saw_status(self, status: str) -> None:
        """Takes note of the status that a list shows."""
        if status != self.status:
            self.status, self.since = status, time.time()
        self.reached |= _IMPLIED.get(status, set())

    def saw_journal(self, entries: Iterable[dict[str, Any]]) -> None:
        """Takes note of everything that ever happened to it."""
        for entry in entries:
            at = datetime.fromisoformat(entry["at"]).timestamp()
            self.since = at
            self.reached.add(entry["type"])
            self.times.setdefault(entry["type"], at)

    def complaint(self) -> str:
        """What hangs, for a person to read."""
        if not self.status:
            age = time.time() - self.asked_at
            return f"order {self.id} of customer {self.customer} has been unknown to checkout for {age:.0f} s"
        age = time.time() - self.since
        return f"order {self.id} of customer {self.customer} has been '{self.status}' for {age:.0f} s"


@dataclass(frozen=True)
class Asked:
    """A checkout that was sent and not answered yet."""

    customer: str
    at: float


class OrderBook:
    """Every checkout, from before it is sent. With a `record`, noted there, each line flushed at once.

    The record's lines: {"did": "ask", "key", "customer_id", "at"}, then, under the same key,
    {"did": "accept", "order_id"} or {"did": "refuse"}; without one of these the outcome is not known.
    Likewise {"did": "list", "on_hand"} and {"did": "listed", "product_id"}, and {"did": "restock", "product_id",
    "quantity"} and {"did": "restocked", "done"}: so that stock can be counted; and {"did": "put", "customer_id",
    "product_id", "quantity"} and {"did": "was put", "done", "in_checkout"}: so that carts can.
    """

    def __init__(self, record: Path | None) -> None:
        self.orders: dict[str, Order] = {}
        self.unanswered: dict[str, Asked] = {}
        """By idempotency key."""
        self._record: TextIO | None = None if record is None else record.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._record is not None:
            self._record.close()

    def ask(self, key: str, customer: str, at: float) -> None:
        """Notes that a checkout is about to be sent."""
        self._note({"did": "ask", "key": key, "customer_id": customer, "at": at})
        self.unanswered[key] = Asked(customer, at)

    def accept(self, key: str, order_id: str) -> Order:
        """Notes the promise: from now on the order must come to an end."""
        self._note({"did": "accept", "key": key, "order_id": order_id})
        asked = self.unanswered.pop(key)
        order = Order(order_id, asked.customer, asked.at, times={"accepted": time.time()})
        return self.orders.setdefault(order_id, order)

    def refuse(self, key: str) -> None:
        """Notes that there will be no order under this key."""
        self._note({"did": "refuse", "key": key})
        del self.unanswered[key]

    def list_product(self, key: str, on_hand: int) -> None:
        """Notes that a product is about to be offered."""
        self._note({"did": "list", "key": key, "on_hand": on_hand})

    def listed(self, key: str, product_id: str) -> None:
        """Notes that it was."""
        self._note({"did": "listed", "key": key, "product_id": product_id})

    def restock(self, key: str, product_id: str, quantity: int) -> None:
        """Notes that units are about to be added to a product."""
        self._note({"did": "restock", "key": key, "product_id": product_id, "quantity": quantity})

    def restocked(self, key: str, *, done: bool) -> None:
        """Notes whether they were. Where the answer is lost, nothing is noted."""
        self._note({"did": "restocked", "key": key, "done": done})

    def put(self, key: str, customer: str, product_id: str, quantity: int) -> None:
        """Notes that a customer is about to want so many units in all; 0: to take out what is not being bought."""
        what = {"customer_id": customer, "product_id": product_id, "quantity": quantity}
        self._note({"did": "put", "key": key, **what})

    def was_put(self, key: str, *, done: bool, in_checkout: int | None) -> None:
        """Notes whether the cart took it, and how many units were being bought then, as far as its answer says so.

        Where the answer is lost, nothing is noted.
        """
        self._note({"did": "was put", "key": key, "done": done, "in_checkout": in_checkout})

    def pending(self) -> list[Order]:
        """Accepted, and neither delivered nor cancelled."""
        return [order for order in self.orders.values() if not order.over]

    def _note(self, line: dict[str, Any]) -> None:
        if self._record is not None:
            self._record.write(json.dumps(line) + "\n")
            self._record.flush()
