"""An order, and the rules on what may happen to it next: when it is placed, and after it was confirmed.

What happens in between is in `paying`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from checkout.domain.errors import Arrived, Inconsistent, TooLate
from checkout.domain.journal import Entry, EntryType, Line, Money, RejectedLine
from checkout.domain.paying import Payable
from checkout.domain.states import Payment, Reason, Status


class Order(Payable):
    """One order.

    Every command looks at the state first and writes nothing where it has nothing to say, so that what
    comes twice, late or in another order changes nothing.
    """

    # -- placed, reserved or rejected -------------------------------------------------------------

    @classmethod
    def place(
        cls,
        order_id: UUID,
        customer_id: str,
        lines: Iterable[Line],
        total: Money,
        *,
        at: datetime,
        address_id: UUID | None = None,
    ) -> Self:
        """A new order, to be brought to `address_id`. Raises Inconsistent unless the lines come to the total."""
        lines = tuple(lines)
        if {line.unit_price.currency for line in lines} != {total.currency}:
            raise Inconsistent
        if sum(line.quantity * line.unit_price.amount for line in lines) != total.amount:
            raise Inconsistent
        data = {
            "customer_id": customer_id,
            "lines": [line.to_json() for line in lines],
            "total": asdict(total),
            "address_id": str(address_id) if address_id else None,
        }
        entry = Entry(order_id, 1, EntryType.PLACED, data, at)
        order = cls.fold([entry])
        order.unsaved = (entry,)
        return order

    def reserve(self, at: datetime, lowered: Mapping[UUID, Money] | None = None) -> None:
        """The catalog set every line aside; `lowered` is today's price of what costs less than the customer saw.

        Raises Inconsistent if one of these is no lower price of a line.
        """
        if self.status is not Status.PLACED:
            return
        if not lowered:
            self._write(EntryType.STOCK_RESERVED, at)
            return
        if not lowered.keys() <= {line.product_id for line in self.lines}:
            raise Inconsistent
        lines = [replace(line, unit_price=_lower(line, lowered)) for line in self.lines]
        total = replace(self.total, amount=sum(line.quantity * line.unit_price.amount for line in lines))
        data = {"lines": [line.to_json() for line in lines], "total": asdict(total)}
        self._write(EntryType.STOCK_RESERVED, at, **data)

    def reject(self, lines: Iterable[RejectedLine], at: datetime) -> None:
        """The catalog set nothing aside. What changed is kept for the customer to read."""
        if self.status is not Status.PLACED:
            return
        lines = tuple(lines)
        price_changed = any(line.reason == "price-changed" for line in lines)
        self._write(EntryType.STOCK_REJECTED, at, lines=[line.to_json() for line in lines])
        self._cancel(Reason.PRICE_CHANGED if price_changed else Reason.STOCK_REJECTED, at)

    def find_address(self, known: UUID | None, at: datetime) -> None:
        """Before anybody is asked for the money: go to the address as of checkout, else to the one that is known.

        None: there is none at the moment, so the order waits.
        """
        if self.status is not Status.PAYING or self.payment is not Payment.NONE:
            return
        if known is None:
            if not self.awaits_address:
                self._write(EntryType.ADDRESS_AWAITED, at)
        elif self.awaits_address or self.address_id is None:
            self._write(EntryType.ADDRESS_KNOWN, at, address_id=str(known))

    def stock_unanswered(self, at: datetime) -> None:
        """The catalog has had long enough to answer."""
        if self.status is Status.PLACED:
            self._cancel(Reason.NO_STOCK_ANSWER, at)

    # -- after confirmation ---------------------------------------------------------------------------

    def request_cancellation(self, at: datetime) -> None:
        """The customer wants out. Raises TooLate where the parcel is known to have left."""
        if self.status is Status.DELIVERED:
            raise Arrived
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


def _lower(line: Line, lowered: Mapping[UUID, Money]) -> Money:
    today = lowered.get(line.product_id, line.unit_price)
    if today.currency != line.unit_price.currency or today.amount > line.unit_price.amount:
        raise Inconsistent
    return today
