"""An order, and the rules on what may happen to it next.

The payment rules in one place. At most one provider is *open* (asked, outcome unknown) at any time:
the next one is asked only after the open one said no to the only request that was ever sent to it,
or after its key was closed for ever. An order that gives up with an open provider is `VOIDING` until
that provider's key is closed; a charge that is reported meanwhile is what the void gives back.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from checkout.domain.journal import Entry, EntryType, Line, Money, RejectedLine

PROVIDERS = ("a", "b")
"""In the order in which they are asked."""


class OrderError(Exception):
    """Something that an order cannot do."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class TooLate(OrderError):
    """The parcel has left, so the order can no longer be cancelled."""


class Inconsistent(OrderError):
    """The total is not the sum of the lines in one currency."""


class Status(StrEnum):
    PLACED = "placed"
    """Waiting for the catalog's answer."""
    PAYING = "paying"
    """Stock is reserved; a provider is being asked for the money."""
    VOIDING = "voiding"
    """Given up, but a provider may hold the money."""
    CONFIRMED = "confirmed"
    CANCELLING = "cancelling"
    """The customer wants it stopped; delivery decides."""
    CANCELLED = "cancelled"
    DELIVERED = "delivered"


class Payment(StrEnum):
    NONE = "none"
    ASKED = "asked"
    """The provider was asked, or is about to be; what it did is not known."""
    NOT_CHARGED = "not-charged"
    """The provider did not charge, and no request that could is on its way."""
    CLOSING = "closing"
    """The provider said that it did not charge, but an earlier request may still reach it."""
    DECLINED = "declined"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Reason(StrEnum):
    """Why an order was cancelled."""

    CUSTOMER = "customer"
    STOCK_REJECTED = "stock-rejected"
    PRICE_CHANGED = "price-changed"
    NO_STOCK_ANSWER = "no-stock-answer"
    RESERVATION_EXPIRED = "reservation-expired"
    PAYMENT_DECLINED = "payment-declined"
    PAYMENT_TIMED_OUT = "payment-timed-out"
    SHIPPING_FAILED = "shipping-failed"


@dataclass
class Order:
    """What the journal says about one order. It changes only by `apply`.

    Every command below looks at the state first and writes nothing where it has nothing to say, so
    that what comes twice, late or in another order changes nothing.
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
    payment: Payment = Payment.NONE
    provider: str | None = None
    """Who was asked last; who holds the money once it is captured."""
    asks: int = 0
    doubtful: bool = False
    """More than one request for the open provider was begun, so one may still be on its way."""
    refusals: int = 0
    """How often a provider definitely did not charge."""
    closed: tuple[str, ...] = ()
    """Providers that can never charge this order again."""
    rejected_lines: tuple[RejectedLine, ...] = ()
    dispatched: bool = False
    shipping_delayed: bool = False
    cancellation_refused: str | None = None
    unsaved: tuple[Entry, ...] = field(default=(), compare=False, repr=False)
    """Entries of this unit of work; the store takes them."""

    # -- the journal ----------------------------------------------------------------------------

    @classmethod
    def fold(cls, entries: Iterable[Entry]) -> Self:
        """The order that a whole journal tells of. The same journal always gives the same order."""
        first, *rest = entries
        order = cls(
            order_id=first.order_id,
            customer_id=first.data["customer_id"],
            lines=tuple(Line.from_json(line) for line in first.data["lines"]),
            total=Money(**first.data["total"]),
            placed_at=first.at,
            updated_at=first.at,
        )
        for entry in rest:
            order.apply(entry)
        return order

    def apply(self, entry: Entry) -> None:  # noqa: PLR0912, one arm per type of entry is the table itself
        """Take an entry in. Decides nothing and reads no clock: order and entry are all there is."""
        self.version, self.updated_at = entry.version, entry.at
        data = entry.data
        match entry.type:
            case EntryType.STOCK_RESERVED:
                self.status = Status.PAYING
            case EntryType.STOCK_REJECTED:
                self.rejected_lines = tuple(RejectedLine.from_json(line) for line in data["lines"])
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
                self.status, self.reason = Status.CANCELLED, Reason(data["reason"])
            case EntryType.REFUNDED:
                self.payment = Payment.REFUNDED
            case EntryType.SHIPPING_DELAYED:
                self.shipping_delayed = True
            case EntryType.DISPATCHED:
                self.dispatched = True
            case EntryType.DELIVERED:
                self.status = Status.DELIVERED

    def _write(self, type: EntryType, at: datetime, **data: Any) -> None:
        entry = Entry(self.order_id, self.version + 1, type, data, at)
        self.apply(entry)
        self.unsaved = (*self.unsaved, entry)

    # -- placed, reserved or rejected -------------------------------------------------------------

    @classmethod
    def place(cls, order_id: UUID, customer_id: str, lines: Iterable[Line], total: Money, *, at: datetime) -> Self:
        """A new order. Raises Inconsistent unless the total is what the lines come to."""
        lines = tuple(lines)
        if {line.unit_price.currency for line in lines} != {total.currency}:
            raise Inconsistent
        if sum(line.quantity * line.unit_price.amount for line in lines) != total.amount:
            raise Inconsistent
        data = {
            "customer_id": customer_id,
            "lines": [line.to_json() for line in lines],
            "total": asdict(total),
        }
        entry = Entry(order_id, 1, EntryType.PLACED, data, at)
        order = cls.fold([entry])
        order.unsaved = (entry,)
        return order

    def reserve(self, at: datetime) -> None:
        """The catalog set every line aside."""
        if self.status is Status.PLACED:
            self._write(EntryType.STOCK_RESERVED, at)

    def reject(self, lines: Iterable[RejectedLine], at: datetime) -> None:
        """The catalog set nothing aside. What changed is kept for the customer to read."""
        if self.status is not Status.PLACED:
            return
        lines = tuple(lines)
        price_changed = any(line.reason == "price-changed" for line in lines)
        self._write(EntryType.STOCK_REJECTED, at, lines=[line.to_json() for line in lines])
        self._cancel(Reason.PRICE_CHANGED if price_changed else Reason.STOCK_REJECTED, at)

    def stock_unanswered(self, at: datetime) -> None:
        """The catalog has had long enough to answer."""
        if self.status is Status.PLACED:
            self._cancel(Reason.NO_STOCK_ANSWER, at)

    # -- paying -----------------------------------------------------------------------------------

    def ask_provider(self, at: datetime) -> str | None:
        """Write down who is about to be asked for the money: the open provider, else the next in turn.

        Returns it; None where nobody is to be asked to charge.
        """
        if self.status is not Status.PAYING or self.payment is Payment.CLOSING:
            return None
        again = self.payment is Payment.ASKED
        provider = self.provider if again else self._next_provider()
        self._write(EntryType.PAYMENT_ASKED, at, provider=provider, ask=self.asks + 1, again=again)
        return provider

    @property
    def key_to_close(self) -> str | None:
        """The provider that must never charge this order again, if there is one to be told so."""
        unsettled = self.status is Status.VOIDING or (self.status is Status.PAYING and self.payment is Payment.CLOSING)
        return self.provider if unsettled else None

    @property
    def every_provider_refused(self) -> bool:
        """The next provider to ask is one that was asked before, so that it is worth waiting."""
        return self._next_provider() <= (self.provider or "")

    def captured(self, provider: str, at: datetime) -> None:
        """The provider holds the money. Too late once a void was decided: the void gives it back."""
        if self.status is Status.PAYING and self.payment is Payment.ASKED and self.provider == provider:
            self._write(EntryType.PAYMENT_CAPTURED, at, provider=provider)
            self._write(EntryType.CONFIRMED, at)

    def declined(self, provider: str, at: datetime) -> None:
        """The provider said no for good; it will say the same whenever it is asked again."""
        if self.status is Status.PAYING and self._is_open(provider):
            self._write(EntryType.PAYMENT_DECLINED, at, provider=provider)
            self._cancel(Reason.PAYMENT_DECLINED, at)

    def not_charged(self, provider: str, ask: int, at: datetime) -> None:
        """The provider did not charge by request number `ask`.

        That settles it if this was the only request. If another was begun before or since, it may
        still arrive there, so the provider's key is closed before anyone else is asked.
        """
        if not self._is_open(provider) or self.payment is Payment.CLOSING:
            return
        certain = ask == self.asks and not self.doubtful
        if certain:
            self._write(EntryType.PAYMENT_NOT_CHARGED, at, provider=provider)
            if self.status is Status.VOIDING:
                self._cancel(self.reason, at)
        elif self.status is Status.PAYING:
            self._write(EntryType.PAYMENT_DOUBTED, at, provider=provider)

    def voided(self, provider: str, *, refunded: bool | None, at: datetime) -> None:
        """The provider gave back what it held, if anything, and can never charge this order again.

        `refunded` says whether it held something; None where it was found closed already.
        """
        if not self._is_open(provider):
            return
        if self.status is Status.VOIDING:
            self._write(EntryType.PAYMENT_VOIDED, at, provider=provider, refunded=refunded)
            self._cancel(self.reason, at)
            return
        self._write(EntryType.PAYMENT_CLOSED, at, provider=provider, refunded=refunded)
        if set(self.closed) == set(PROVIDERS):
            self._cancel(Reason.PAYMENT_TIMED_OUT, at)

    def refunded(self, at: datetime) -> None:
        """The provider gave the whole amount of a cancelled order back."""
        if self.owes_refund:
            self._write(EntryType.REFUNDED, at, provider=self.provider)

    @property
    def owes_refund(self) -> bool:
        return self.status is Status.CANCELLED and self.payment is Payment.CAPTURED

    def _is_open(self, provider: str) -> bool:
        unanswered = self.payment in (Payment.ASKED, Payment.CLOSING)
        return self.status in (Status.PAYING, Status.VOIDING) and unanswered and self.provider == provider

    def _next_provider(self) -> str:
        usable = [provider for provider in PROVIDERS if provider not in self.closed]
        later = [provider for provider in usable if provider > (self.provider or "")]
        return (later or usable)[0]

    # -- giving up, before confirmation -------------------------------------------------------------

    def give_up(self, reason: Reason, at: datetime) -> None:
        """Cancel an order that is not paid: at once, or by a void if a provider may hold the money."""
        if self.status is Status.PLACED:
            self._cancel(reason, at)
        elif self.status is Status.PAYING:
            if self.payment in (Payment.ASKED, Payment.CLOSING):
                self._write(EntryType.GIVEN_UP, at, reason=reason)
            else:
                self._cancel(reason, at)

    def payment_overdue(self, at: datetime) -> None:
        """The providers have had long enough."""
        if self.status is Status.PAYING:
            self.give_up(Reason.PAYMENT_TIMED_OUT, at)

    def _cancel(self, reason: Reason | None, at: datetime) -> None:
        self._write(EntryType.CANCELLED, at, reason=reason)

    # -- after confirmation ---------------------------------------------------------------------------

    def request_cancellation(self, at: datetime) -> None:
        """The customer wants out. Raises TooLate where the parcel is known to have left."""
        if self.status is Status.DELIVERED:
            raise TooLate
        if self.status is Status.CONFIRMED:
            if self.dispatched or self.cancellation_refused is not None:
                raise TooLate
            self._write(EntryType.CANCELLATION_REQUESTED, at)
        else:
            self.give_up(Reason.CUSTOMER, at)

    def refuse_cancellation(self, reason: str, at: datetime) -> None:
        """Delivery could not stop the parcel. Kept for the customer to read, also after delivery."""
        asked_for = self.status in (Status.CANCELLING, Status.DELIVERED)
        if asked_for and self.cancellation_refused is None:
            self._write(EntryType.CANCELLATION_REFUSED, at, reason=reason)

    def shipment_stopped(self, reason: Reason, at: datetime) -> None:
        """No parcel was sent and none will be, so the money goes back."""
        if self._is_with_delivery:
            self._cancel(reason, at)

    def shipment_dispatched(self, carrier: str, tracking_code: str, at: datetime) -> None:
        if self._is_with_delivery and not self.dispatched:
            self._write(EntryType.DISPATCHED, at, carrier=carrier, tracking_code=tracking_code)

    def delivered(self, at: datetime) -> None:
        if self._is_with_delivery:
            self._write(EntryType.DELIVERED, at)

    def shipping_overdue(self, at: datetime) -> None:
        """The parcel should have left by now; the customer can read that it is late."""
        if self._is_with_delivery and not self.dispatched and not self.shipping_delayed:
            self._write(EntryType.SHIPPING_DELAYED, at)

    @property
    def _is_with_delivery(self) -> bool:
        return self.status in (Status.CONFIRMED, Status.CANCELLING)
