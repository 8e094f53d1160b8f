"""What was asked of the marketplace and what it promised: the simulator's record, a JSON object per line.

Each line is flushed before the request that it speaks of is sent. A line that was cut by a crash can only be the
last; any other that cannot be read makes the whole record unreadable.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Ask:
    """A checkout. Neither `order_id` nor `refused`: its answer was lost."""

    customer: str
    order_id: str | None = None
    refused: bool = False
    at: float = 0.0
    """When it was meant to be sent, in seconds since the epoch."""
    began: int = 0
    """The line of the record that says that it is about to be sent."""
    ended: int | None = None
    """The line that says what came of it; None where its answer was lost."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A customer wants so many units of a product in all; 0: none but those that are being bought."""

    customer: str
    product_id: str
    quantity: int
    began: int
    """The line of the record that says that it is about to be asked."""
    ended: int | None = None
    """The line that says what came of it; None where the answer was lost."""
    done: bool | None = None
    in_checkout: int | None = None
    """Units that were being bought when it was done, as the answer says; None where it does not."""


@dataclass(frozen=True, slots=True)
class Restock:
    """A seller brings units. `done` is None where the answer was lost."""

    product_id: str
    quantity: int
    done: bool | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was broken on purpose, in seconds since the epoch."""

    kind: str
    part: str
    began: float
    ended: float | None = None
    """None while it lasts."""
    bite: bool | None = None
    """Whether it was seen to do harm; None where nobody looked."""

    def healed(self, part: str, at: float) -> "Fault":
        """The fault after its part, the service whose replica it is, or a replica of it was started again."""
        its_own = self.part == part or self.part.startswith(f"{part}.") or part.startswith(f"{self.part}.")
        return self.over(at) if its_own else self

    def over(self, at: float) -> "Fault":
        """The fault after everything was started anew."""
        return replace(self, ended=at) if self.ended is None else self

    def overlaps(self, since: float, until: float) -> bool:
        return self.began <= until and (self.ended is None or self.ended >= since)


@dataclass(frozen=True)
class Record:
    """Everything that was asked, by its idempotency key, and what was broken meanwhile."""

    asks: dict[str, Ask] = field(default_factory=dict)
    listed: dict[str, int] = field(default_factory=dict)
    """Units on hand at first, by product."""
    restocks: dict[str, Restock] = field(default_factory=dict)
    wishes: dict[str, Wish] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    started: float = 0.0
    """When everything was started the last time, in seconds since the epoch: settings are known since then."""

    @property
    def accepted(self) -> dict[str, str]:
        """The customer of every order that was promised (202)."""
        return {ask.order_id: ask.customer for ask in self.asks.values() if ask.order_id is not None}


def address_of(customer: str) -> str:
    """Where the record's customers are written to: each is given an address of this form."""
    return f"{customer}@example.com"


def read_record(path: Path) -> Record:
    """The record; empty if nothing was ever asked. Raises ValueError and OSError."""
    if not path.exists():
        return Record()
    whole, _, _cut_off = path.read_text(encoding="utf-8").rpartition("\n")
    return _record(json.loads(line) for line in whole.splitlines())


def _record(lines: Iterable[dict[str, Any]]) -> Record:  # noqa: PLR0912 - one arm per kind of line
    asks: dict[str, Ask] = {}
    listed: dict[str, int] = {}
    restocks: dict[str, Restock] = {}
    wishes: dict[str, Wish] = {}
    faults: list[Fault] = []
    listing: dict[str, int] = {}
    started = 0.0
    for number, line in enumerate(lines):
        match line:
            case {"did": "ask", "key": key, "customer_id": customer, "at": at}:
                asks[key] = Ask(customer, at=at, began=number)
            case {"did": "accept", "key": key, "order_id": order_id}:
                asks[key] = replace(asks[key], order_id=order_id, ended=number)
            case {"did": "refuse", "key": key}:
                asks[key] = replace(asks[key], refused=True, ended=number)
            case {"did": "list", "key": key, "on_hand": on_hand}:
                listing[key] = on_hand
            case {"did": "listed", "key": key, "product_id": product_id}:
                listed[product_id] = listing[key]
            case {"did": "restock", "key": key, "product_id": product_id, "quantity": quantity}:
                restocks[key] = Restock(product_id, quantity)
            case {"did": "restocked", "key": key, "done": done}:
                restocks[key] = replace(restocks[key], done=done)
            case {"did": "put", "key": key, "customer_id": customer, "product_id": product_id, "quantity": quantity}:
                wishes[key] = Wish(customer, product_id, quantity, number)
            case {"did": "was put", "key": key, "done": done}:
                wishes[key] = replace(wishes[key], ended=number, done=done, in_checkout=line.get("in_checkout"))
            case {"did": "fault", "kind": kind, "part": part, "began": began}:
                faults.append(Fault(kind, part, began, line.get("ended"), line.get("bite")))
            case {"did": "heal", "part": part, "at": at}:
                faults = [each.healed(part, at) for each in faults]
            case {"did": "start", "at": at}:
                started, faults = at, [each.over(at) for each in faults]
            case _:
                raise ValueError(f"the record has a line that nobody knows: {line}")
    return Record(asks, listed, restocks, wishes, tuple(faults), started)
