"""Reads the simulator's record, a JSON object per line: what customers requested and what the marketplace answered.

Each line is flushed before the request that it describes is sent. A crash can cut off only the last line. Any other
line that cannot be parsed makes the whole record unreadable.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A checkout request. If there is neither `order_id` nor `refused`, its answer was lost."""

    customer: str
    order_id: str | None = None
    refused: bool = False
    at: float = 0.0
    """When it was meant to be sent, in seconds since the epoch."""
    sent_line: int = 0
    """Number of the record's line that was written before it was sent."""
    answer_line: int | None = None
    """Number of the line with its outcome; None if its answer was lost."""


@dataclass(frozen=True, slots=True)
class QuantityChange:
    """A customer's request to set a product's quantity in the cart. 0 removes all units not in an open checkout."""

    customer: str
    product_id: str
    quantity: int
    sent_line: int
    """Number of the record's line that was written before it was sent."""
    answer_line: int | None = None
    """Number of the line with its outcome; None if its answer was lost."""
    succeeded: bool | None = None
    """None if the answer was lost."""
    in_checkout: int | None = None
    """Units in an open checkout at the time of the change, according to its answer; None if the answer lacks them."""


@dataclass(frozen=True, slots=True)
class Restock:
    """A seller's request to add units. `succeeded` is None if the answer was lost."""

    product_id: str
    quantity: int
    succeeded: bool | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """An injected fault. Times are in seconds since the epoch."""

    kind: str
    part: str
    began: float
    ended: float | None = None
    """None while the fault lasts."""
    effect_observed: bool | None = None
    """Whether an effect of the fault was observed; None if it was not checked."""

    def healed(self, part: str, at: float) -> "Fault":
        """Return the fault after `part` was started again.

        The fault ends if `part` is the faulty part, its service or one of its replicas.
        """
        is_affected = self.part == part or self.part.startswith(f"{part}.") or part.startswith(f"{self.part}.")
        return self.ended_by(at) if is_affected else self

    def ended_by(self, at: float) -> "Fault":
        """Return the fault, ended at this time unless it ended before."""
        return replace(self, ended=at) if self.ended is None else self

    def overlaps(self, since: float, until: float) -> bool:
        return self.began <= until and (self.ended is None or self.ended >= since)


@dataclass(frozen=True)
class Record:
    """Every request by its idempotency key, and the faults that were injected meanwhile."""

    checkout_requests: dict[str, CheckoutRequest] = field(default_factory=dict)
    initial_units: dict[str, int] = field(default_factory=dict)
    """Initial units on hand, by product."""
    restocks: dict[str, Restock] = field(default_factory=dict)
    quantity_changes: dict[str, QuantityChange] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    started: float = 0.0
    """When the stack was last started, in seconds since the epoch. Before, its settings may have been different."""

    @property
    def customers_by_order(self) -> dict[str, str]:
        """The customer of every order that was accepted (202), by order."""
        return {
            request.order_id: request.customer
            for request in self.checkout_requests.values()
            if request.order_id is not None
        }


def address_of(customer: str) -> str:
    """Return the mail address that the simulator gives to this customer."""
    return f"{customer}@example.com"


def read_record(path: Path) -> Record:
    """Return the record; an empty one if there is no file. Raises ValueError or OSError if it cannot be read."""
    if not path.exists():
        return Record()
    whole, _, _cut_off = path.read_text(encoding="utf-8").rpartition("\n")
    return _record(json.loads(line) for line in whole.splitlines())


def _record(lines: Iterable[dict[str, Any]]) -> Record:  # noqa: PLR0912 - one arm per kind of line
    checkout_requests: dict[str, CheckoutRequest] = {}
    initial_units: dict[str, int] = {}
    restocks: dict[str, Restock] = {}
    quantity_changes: dict[str, QuantityChange] = {}
    faults: list[Fault] = []
    units_by_key: dict[str, int] = {}
    started = 0.0
    for number, line in enumerate(lines):
        match line:
            case {"did": "ask", "key": key, "customer_id": customer, "at": at}:
                checkout_requests[key] = CheckoutRequest(customer, at=at, sent_line=number)
            case {"did": "accept", "key": key, "order_id": order_id}:
                checkout_requests[key] = replace(checkout_requests[key], order_id=order_id, answer_line=number)
            case {"did": "refuse", "key": key}:
                checkout_requests[key] = replace(checkout_requests[key], refused=True, answer_line=number)
            case {"did": "list", "key": key, "on_hand": on_hand}:
                units_by_key[key] = on_hand
            case {"did": "listed", "key": key, "product_id": product_id}:
                initial_units[product_id] = units_by_key[key]
            case {"did": "restock", "key": key, "product_id": product_id, "quantity": quantity}:
                restocks[key] = Restock(product_id, quantity)
            case {"did": "restocked", "key": key, "done": done}:
                restocks[key] = replace(restocks[key], succeeded=done)
            case {"did": "put", "key": key, "customer_id": customer, "product_id": product_id, "quantity": quantity}:
                quantity_changes[key] = QuantityChange(customer, product_id, quantity, number)
            case {"did": "was put", "key": key, "done": done}:
                quantity_changes[key] = replace(
                    quantity_changes[key], answer_line=number, succeeded=done, in_checkout=line.get("in_checkout")
                )
            case {"did": "fault", "kind": kind, "part": part, "began": began}:
                faults.append(Fault(kind, part, began, line.get("ended"), line.get("bite")))
            case {"did": "heal", "part": part, "at": at}:
                faults = [each.healed(part, at) for each in faults]
            case {"did": "start", "at": at}:
                started, faults = at, [each.ended_by(at) for each in faults]
            case _:
                raise ValueError(f"unknown line in the record: {line}")
    return Record(checkout_requests, initial_units, restocks, quantity_changes, tuple(faults), started)
