"""Derives an order's state from its journal, by the audit's own implementation of the rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FINAL = frozenset({"delivered", "cancelled"})
OPEN_PAYMENTS = frozenset({"asked", "closing"})

FROM: dict[str, frozenset[str]] = {
    "stock-reserved": frozenset({"placed"}),
    "stock-rejected": frozenset({"placed"}),
    "address-awaited": frozenset({"paying"}),
    "address-known": frozenset({"paying"}),
    "payment-asked": frozenset({"paying"}),
    "payment-not-charged": frozenset({"paying", "voiding"}),
    "payment-doubted": frozenset({"paying"}),
    "payment-closed": frozenset({"paying"}),
    "payment-declined": frozenset({"paying"}),
    "payment-captured": frozenset({"paying"}),
    "payment-voided": frozenset({"voiding"}),
    "given-up": frozenset({"paying"}),
    "confirmed": frozenset({"paying"}),
    "cancellation-requested": frozenset({"confirmed"}),
    "cancellation-refused": frozenset({"cancelling", "delivered"}),
    "cancelled": frozenset({"placed", "paying", "voiding", "confirmed", "cancelling"}),
    "refunded": frozenset({"cancelled"}),
    "shipping-delayed": frozenset({"confirmed", "cancelling"}),
    "dispatched": frozenset({"confirmed", "cancelling"}),
    "delivered": frozenset({"confirmed", "cancelling"}),
}
"""Statuses in which an order may be when an entry of this type is written."""

STATUS = {
    "placed": "placed",
    "stock-reserved": "paying",
    "given-up": "voiding",
    "confirmed": "confirmed",
    "cancellation-requested": "cancelling",
    "cancelled": "cancelled",
    "delivered": "delivered",
}
PAYMENT = {
    "payment-asked": "asked",
    "payment-not-charged": "not-charged",
    "payment-doubted": "closing",
    "payment-closed": "not-charged",
    "payment-declined": "declined",
    "payment-captured": "captured",
    "payment-voided": "voided",
    "refunded": "refunded",
}
PAYMENT_BEFORE = {
    **dict.fromkeys(("address-awaited", "address-known"), frozenset({"none"})),
    **dict.fromkeys(("payment-not-charged", "payment-closed", "payment-declined", "payment-voided"), OPEN_PAYMENTS),
    "payment-doubted": frozenset({"asked"}),
    "payment-captured": frozenset({"asked"}),
    "given-up": OPEN_PAYMENTS,
    "confirmed": frozenset({"captured"}),
    "refunded": frozenset({"captured"}),
}
"""Payment states in which an order may be when an entry of this type is written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an order's journal."""

    version: int
    type: str
    data: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """The lines and the total of an order."""

    lines: tuple[tuple[str, int, int, str], ...] = ()
    """Product, units, and the unit price with its currency."""
    total: int = 0
    currency: str = ""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Terms":
        """Read the `lines` and the `total` of an event or of a journal entry."""
        lines = [
            (line["product_id"], line["quantity"], line["unit_price"]["amount"], line["unit_price"]["currency"])
            for line in data["lines"]
        ]
        return cls(tuple(sorted(lines)), data["total"]["amount"], data["total"]["currency"])


@dataclass
class Life:
    """An order's state and history. `faults` lists the violations of the journal's rules."""

    customer: str = ""
    ordered: Terms = Terms()
    """Lines and total as the customer saw them."""
    terms: Terms = Terms()
    """Lines and total as charged: some prices may be lower."""
    status: str = ""
    payment: str = "none"
    address_id: str | None = None
    awaits_address: bool = False
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Data of the last entry of each type."""
    provider: str | None = None
    reason: str | None = None
    version: int = 0
    types: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[tuple[str, int], ...]:
        """Product and units of each line."""
        return tuple((product_id, quantity) for product_id, quantity, *_ in self.terms.lines)

    @property
    def total(self) -> int:
        return self.terms.total

    @property
    def currency(self) -> str:
        return self.terms.currency

    @property
    def over(self) -> bool:
        return self.status in FINAL

    @property
    def kept(self) -> bool:
        """Whether the order was confirmed and not cancelled since: the shop keeps the money, the customer the goods."""
        return "confirmed" in self.types and self.status != "cancelled"


def fold(entries: Iterable[Entry]) -> Life:
    """Return the state and history that a journal describes."""
    life = Life()
    for entry in entries:
        faults = list(_faults(life, entry))
        _take(life, entry)
        life.faults += tuple(faults)
    return life


def _take(life: Life, entry: Entry) -> None:
    if entry.type == "placed":
        life.customer = entry.data["customer_id"]
        life.ordered = life.terms = Terms.of(entry.data)
        life.address_id = entry.data.get("address_id")
    if entry.type == "stock-reserved" and "total" in entry.data:  # a price was lowered since the checkout
        life.terms = Terms.of(entry.data)
    if entry.type in ("address-awaited", "address-known"):
        life.awaits_address = entry.type == "address-awaited"
        life.address_id = entry.data.get("address_id", life.address_id)
    if entry.type == "payment-asked":
        life.provider = entry.data["provider"]
    if entry.type in ("given-up", "cancelled"):
        life.reason = entry.data["reason"]
    if entry.type == "cancellation-refused" and life.status == "cancelling":
        life.status = "confirmed"
    life.version = entry.version
    life.data[entry.type] = entry.data
    life.types = (*life.types, entry.type)
    life.status = STATUS.get(entry.type, life.status)
    life.payment = PAYMENT.get(entry.type, life.payment)


def _faults(life: Life, entry: Entry) -> Iterable[str]:
    what = f"{entry.type} (version {entry.version})"
    if entry.version != life.version + 1:
        yield f"{what} follows version {life.version}"
    if entry.type == "placed":
        if life.version:
            yield f"{what} is not the first entry"
        return
    if entry.type not in FROM:
        yield f"{what} has an unknown type"
    elif life.status not in FROM[entry.type]:
        yield f"{what} while {life.status or 'not placed'}"
    if life.payment not in PAYMENT_BEFORE.get(entry.type, {life.payment}):
        yield f"{what} while its payment was {life.payment}"
    if entry.type == "payment-asked" and life.awaits_address:
        yield f"{what} while it waits for an address"
    if entry.type == "payment-asked" and life.payment not in ("none", "asked", "not-charged"):
        yield f"{what} while its payment was {life.payment}"
    if entry.type == "payment-asked" and life.payment == "asked" and entry.data["provider"] != life.provider:
        yield f"{what} names {entry.data['provider']} while the outcome at {life.provider} is open"
    if entry.type == "cancelled" and life.payment in OPEN_PAYMENTS:
        yield f"{what} while provider {life.provider} may hold the money"
    if entry.type == "cancelled" and "dispatched" in life.types:
        yield f"{what} after its parcel was dispatched"
