"""Derives an order's state from its journal, by the audit's own implementation of the rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FINAL = frozenset({"delivered", "cancelled"})
OPEN_PAYMENTS = frozenset({"asked", "closing"})
"""Payment states in which a provider may have charged the customer, or still may."""

ALLOWED_STATUSES: dict[str, frozenset[str]] = {
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

STATUS_AFTER = {
    "placed": "placed",
    "stock-reserved": "paying",
    "given-up": "voiding",
    "confirmed": "confirmed",
    "cancellation-requested": "cancelling",
    "cancelled": "cancelled",
    "delivered": "delivered",
}
"""Status of an order after an entry of this type. Entries of other types do not change it."""

PAYMENT_AFTER = {
    "payment-asked": "asked",
    "payment-not-charged": "not-charged",
    "payment-doubted": "closing",
    "payment-closed": "not-charged",
    "payment-declined": "declined",
    "payment-captured": "captured",
    "payment-voided": "voided",
    "refunded": "refunded",
}
"""Payment state of an order after an entry of this type. Entries of other types do not change it."""

ALLOWED_PAYMENTS = {
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
class OrderHistory:
    """An order's state and history. `rule_violations` lists the violations of the journal's rules."""

    customer: str = ""
    ordered: Terms = Terms()
    """Lines and total as the customer saw them."""
    charged: Terms = Terms()
    """Lines and total as the customer is charged: some prices may be lower."""
    status: str = ""
    payment: str = "none"
    address_id: str | None = None
    awaits_address: bool = False
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Data of the last entry of each type."""
    provider: str | None = None
    reason: str | None = None
    version: int = 0
    entry_types: tuple[str, ...] = ()
    rule_violations: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[tuple[str, int], ...]:
        """Product and units of each line."""
        return tuple((product_id, quantity) for product_id, quantity, *_ in self.charged.lines)

    @property
    def total(self) -> int:
        return self.charged.total

    @property
    def currency(self) -> str:
        return self.charged.currency

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def stayed_confirmed(self) -> bool:
        """Whether the order was confirmed and not cancelled since: the shop keeps the money, the customer the goods."""
        return "confirmed" in self.entry_types and self.status != "cancelled"


def fold(entries: Iterable[Entry]) -> OrderHistory:
    """Return the state and history that a journal describes."""
    history = OrderHistory()
    for entry in entries:
        rule_violations = list(_find_violations(history, entry))
        _apply(history, entry)
        history.rule_violations += tuple(rule_violations)
    return history


def _apply(history: OrderHistory, entry: Entry) -> None:
    if entry.type == "placed":
        history.customer = entry.data["customer_id"]
        history.ordered = history.charged = Terms.of(entry.data)
        history.address_id = entry.data.get("address_id")
    if entry.type == "stock-reserved" and "total" in entry.data:  # a price was lowered since the checkout
        history.charged = Terms.of(entry.data)
    if entry.type in ("address-awaited", "address-known"):
        history.awaits_address = entry.type == "address-awaited"
        history.address_id = entry.data.get("address_id", history.address_id)
    if entry.type == "payment-asked":
        history.provider = entry.data["provider"]
    if entry.type in ("given-up", "cancelled"):
        history.reason = entry.data["reason"]
    if entry.type == "cancellation-refused" and history.status == "cancelling":
        history.status = "confirmed"
    history.version = entry.version
    history.data[entry.type] = entry.data
    history.entry_types = (*history.entry_types, entry.type)
    history.status = STATUS_AFTER.get(entry.type, history.status)
    history.payment = PAYMENT_AFTER.get(entry.type, history.payment)


def _find_violations(history: OrderHistory, entry: Entry) -> Iterable[str]:
    what = f"{entry.type} (version {entry.version})"
    if entry.version != history.version + 1:
        yield f"{what} follows version {history.version}"
    if entry.type == "placed":
        if history.version:
            yield f"{what} is not the first entry"
        return
    if entry.type not in ALLOWED_STATUSES:
        yield f"{what} has an unknown type"
    elif history.status not in ALLOWED_STATUSES[entry.type]:
        yield f"{what} while {history.status or 'not placed'}"
    if history.payment not in ALLOWED_PAYMENTS.get(entry.type, {history.payment}):
        yield f"{what} while its payment was {history.payment}"
    if entry.type == "payment-asked" and history.awaits_address:
        yield f"{what} while it waits for an address"
    if entry.type == "payment-asked" and history.payment not in ("none", "asked", "not-charged"):
        yield f"{what} while its payment was {history.payment}"
    if entry.type == "payment-asked" and history.payment == "asked" and entry.data["provider"] != history.provider:
        yield f"{what} names {entry.data['provider']} while the outcome at {history.provider} is open"
    if entry.type == "cancelled" and history.payment in OPEN_PAYMENTS:
        yield f"{what} while provider {history.provider} may hold the money"
    if entry.type == "cancelled" and "dispatched" in history.entry_types:
        yield f"{what} after its parcel was dispatched"
