"""The state of an order, computed from the entries of its journal."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from checkout.domain.journal import Entry, EntryType, Line, Money, RejectedLine
from checkout.domain.states import Payment, Reason, Status


@dataclass
class Order:
    """The state of one order. It changes only by `apply`.

    The rules are the functions of `placing`, `paying` and `shipping`. A function that changes an order returns the new
    entries, which its caller publishes. It returns none if the order's state does not allow the change. So duplicate,
    late or reordered events change nothing.
    """

    order_id: UUID
    customer_id: str
    lines: tuple[Line, ...]
    total: Money
    placed_at: datetime
    updated_at: datetime
    version: int = 1
    status: Status = Status.PLACED
    reason: Reason | None = None
    address_id: UUID | None = None
    """The address to which the parcel goes. None if it is not known yet."""
    awaits_address: bool = False
    payment: Payment = Payment.NONE
    provider: str | None = None
    """The provider that was asked last. Once the payment is captured, it holds the money."""
    asks: int = 0
    """Number of the last charge request."""
    doubtful: bool = False
    """More than one charge request was sent to `provider`, so an earlier one may still arrive there."""
    refusals: int = 0
    """Number of times that a provider certainly did not charge."""
    closed: tuple[str, ...] = ()
    """Providers whose idempotency key is closed: they can never charge this order again."""
    rejected_lines: tuple[RejectedLine, ...] = ()
    dispatched: bool = False
    shipping_delayed: bool = False
    cancellation_refused: str | None = None

    @classmethod
    def fold(cls, entries: Iterable[Entry]) -> Self:
        """Compute the order from its whole journal. The same journal always gives the same order."""
        first, *rest = entries
        lines, total = _lines_and_total(first.data)
        order = cls(
            order_id=first.order_id,
            customer_id=first.data["customer_id"],
            lines=lines,
            total=total,
            placed_at=first.at,
            updated_at=first.at,
            address_id=_id(first.data.get("address_id")),
        )
        for entry in rest:
            order.apply(entry)
        return order

    def apply(self, entry: Entry) -> None:  # noqa: PLR0912, PLR0915 - one arm per type of entry
        """Change the state by one entry. The result depends on the order and the entry alone, not on the clock."""
        self.version, self.updated_at = entry.version, entry.at
        data = entry.data
        match entry.type:
            case EntryType.STOCK_RESERVED:
                self.status = Status.PAYING
                if "lines" in data:  # a price was lowered since the customer saw it
                    self.lines, self.total = _lines_and_total(data)
            case EntryType.STOCK_REJECTED:
                self.rejected_lines = tuple(RejectedLine.from_json(line) for line in data["lines"])
            case EntryType.ADDRESS_AWAITED:
                self.awaits_address = True
            case EntryType.ADDRESS_KNOWN:
                self.address_id, self.awaits_address = UUID(data["address_id"]), False
            case EntryType.PAYMENT_ASKED:
                self.payment, self.provider = Payment.ASKED, data["provider"]
                self.asks, self.doubtful = data["ask"], data["again"]
            case EntryType.PAYMENT_NOT_CHARGED:
                self.payment = Payment.NOT_CHARGED
                self.refusals += 1
            case EntryType.PAYMENT_DOUBTED:
                self.payment = Payment.CLOSING
            case EntryType.PAYMENT_CLOSED:
                self.payment = Payment.NOT_CHARGED
                self.refusals += 1
                self.closed = (*self.closed, data["provider"])
            case EntryType.PAYMENT_DECLINED:
                self.payment = Payment.DECLINED
            case EntryType.PAYMENT_CAPTURED:
                self.payment = Payment.CAPTURED
            case EntryType.PAYMENT_VOIDED:
                self.payment = Payment.VOIDED
            case EntryType.GIVEN_UP:
                self.status, self.reason = Status.VOIDING, Reason(data["reason"])
            case EntryType.CONFIRMED:
                self.status = Status.CONFIRMED
            case EntryType.CANCELLATION_REQUESTED:
                self.status = Status.CANCELLING
            case EntryType.CANCELLATION_REFUSED:
                self.cancellation_refused = data["reason"]
                if self.status is Status.CANCELLING:
                    self.status = Status.CONFIRMED
            case EntryType.CANCELLED:
                self.status, self.reason, self.awaits_address = Status.CANCELLED, Reason(data["reason"]), False
            case EntryType.REFUNDED:
                self.payment = Payment.REFUNDED
            case EntryType.SHIPPING_DELAYED:
                self.shipping_delayed = True
            case EntryType.DISPATCHED:
                self.dispatched = True
            case EntryType.DELIVERED:
                self.status = Status.DELIVERED

    def record(self, type: EntryType, at: datetime, **data: Any) -> list[Entry]:
        """Create an entry and apply it. Returns `[entry]`, so that rules can concatenate the results."""
        entry = Entry(self.order_id, self.version + 1, type, data, at)
        self.apply(entry)
        return [entry]


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _lines_and_total(data: dict[str, Any]) -> tuple[tuple[Line, ...], Money]:
    return tuple(Line.from_json(line) for line in data["lines"]), Money(**data["total"])
