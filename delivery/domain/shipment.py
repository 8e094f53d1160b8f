"""The rules of a shipment: one parcel per order, by one of two carriers, stopped only if it can be.

A carrier acts once per key, however often it is asked, and this shipment has one key at each. `carrier` is
written down before the first request leaves, and only two things take it back: a certain "not booked" to
the only request ever sent under its key, or the key's closing. Whatever else becomes of a request (no
answer, a crash, a late arrival), the parcel stays with that carrier. So no two carriers ever hold it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from delivery.domain.states import Aim, Failure, ShipmentChange, Status

CARRIERS = ("a", "b")
"""In the order in which they are asked."""

PUNCTUAL = timedelta(seconds=2)
"""A deadline that is looked at later than this was missed by us: nobody was there to keep it."""

LONGEST_SILENCE = timedelta(hours=1)
"""A carrier that says nothing of a parcel is asked at least that often."""

TRYING = 2 / 3
"""The share of the time to the deadline within which a carrier must have been asked, or we were not trying."""


class NotItsCarrier(Exception):
    """Tracking of a parcel that this carrier should not have."""


@dataclass
class Shipment:
    """The parcel of one order."""

    order_id: UUID
    shipment_id: UUID
    customer_id: str
    scheduled_at: datetime
    due_at: datetime
    """When delivery stops looking for a carrier."""
    status: Status = Status.SCHEDULED
    carrier: str | None = None
    """Who holds the parcel, or was asked and may hold it."""
    tracking_code: str | None = None
    asked_at: datetime | None = None
    """When a carrier was last asked to book it."""
    doubtful: bool = False
    """More than one request went to `carrier`: "not booked" to one says nothing about the others."""
    refusals: int = 0
    """Certain "not booked" answers so far."""
    closed: list[str] = field(default_factory=list)
    """Carriers that can never book this shipment again. Replaced, never changed in place."""
    aim: Aim | None = None
    failure: Failure | None = None
    look_at: datetime | None = None
    """When somebody looks whether it still gets on; None once it has come to its end."""
    address_id: UUID | None = None
    """Where it goes: as of checkout. Where that is not known, or erased: as of when a carrier is asked."""
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None

    @classmethod
    def never_to_be(cls, order_id: UUID, shipment_id: UUID, customer_id: str, now: datetime) -> "Shipment":
        """What a cancellation leaves that came before its order."""
        return cls(order_id, shipment_id, customer_id, now, now, status=Status.CANCELLED)

    # -- booking -------------------------------------------------------------------------------------------

    @property
    def is_untouched(self) -> bool:
        """Whether no carrier can hold it."""
        return self.carrier is None

    def ask_carrier(self, now: datetime) -> str:
        """Choose whom to ask next, and note it: to be committed before the request leaves."""
        if self.carrier is None:
            self.carrier = self._open[self.refusals % len(self._open)]
        else:
            self.doubtful = True
        self.asked_at = now
        return self.carrier

    def rebook(self) -> list[ShipmentChange]:
        """Close the doubtful key, then start again."""
        return self._stop(Aim.REBOOK)

    def booked(self, carrier: str, tracking_code: str) -> list[ShipmentChange]:
        """The carrier has it."""
        if carrier == self.carrier and self.status in (Status.SCHEDULED, Status.STOPPING):
            self.tracking_code = tracking_code
            if self.status is Status.SCHEDULED:
                self.status = Status.BOOKED
        return []

    def not_booked(self, carrier: str) -> list[ShipmentChange]:
        """The carrier refused a request."""
        if carrier != self.carrier or self.status not in (Status.SCHEDULED, Status.STOPPING):
            return []
        if self.doubtful:
            return self.rebook() if self.status is Status.SCHEDULED else []  # else its key is being closed
        self.carrier = None
        self.refusals += 1
        if self.status is Status.STOPPING:
            return self._settle()
        others_left = self.refusals % len(self._open)
        return [ShipmentChange.TO_BE_BOOKED if others_left else ShipmentChange.REFUSED_BY_ALL_CARRIERS]

    # -- stopping ------------------------------------------------------------------------------------------

    def cancel(self) -> list[ShipmentChange]:
        """The customer wants it stopped. Answered once: at once, or when its carrier has answered."""
        match self.status:
            case Status.CANCELLED | Status.FAILED:
                return []  # published already
            case Status.DISPATCHED | Status.DELIVERED:
                return [ShipmentChange.CANCELLATION_REFUSED]
            case Status.STOPPING:
                self.aim = Aim.CANCEL
                return []
            case _:
                return self._stop(Aim.CANCEL)

    def look_at_deadline(self, now: datetime, within: timedelta, *, has_address: bool) -> list[ShipmentChange]:
        """Give up what no carrier has booked; what is booked goes on.

        If we were away when the time ran out, or were not trying although we could have been, it starts
        again: an outage of ours fails no shipment.
        """
        searching = self.status is Status.SCHEDULED or self.aim is Aim.REBOOK
        if not searching:
            return []
        was_trying = self.asked_at is not None and now - self.asked_at < within * TRYING
        if now > self.due_at + PUNCTUAL or (has_address and not was_trying):
            self.due_at = now + within
            booking = [ShipmentChange.TO_BE_BOOKED] if self.status is Status.SCHEDULED else []
            return [ShipmentChange.DEADLINE_EXTENDED, *booking]
        self.failure = Failure.NO_CARRIER if has_address or self.asked_at else Failure.NO_ADDRESS
        if self.status is Status.STOPPING:
            self.aim = Aim.GIVE_UP
            return []
        return self._stop(Aim.GIVE_UP)

    def key_closed(self, carrier: str) -> list[ShipmentChange]:
        """The carrier holds nothing under the shipment's key, and never will."""
        if carrier != self.carrier or self.status not in (Status.SCHEDULED, Status.STOPPING):
            return []
        self.closed = [*self.closed, carrier]
        self.carrier = None
        return self._settle()

    def left_already(self, carrier: str) -> list[ShipmentChange]:
        """The carrier could not stop it; its tracking will tell the rest."""
        if carrier != self.carrier or self.status is not Status.STOPPING:
            return []
        self.status = Status.BOOKED
        return self._go_on()

    # -- tracking ------------------------------------------------------------------------------------------

    def dispatch(self, carrier: str, tracking_code: str, now: datetime) -> list[ShipmentChange]:
        """The carrier fetched it: nothing stops it any more. Raises NotItsCarrier."""
        if carrier != self.carrier:
            raise NotItsCarrier
        if self.status in (Status.DISPATCHED, Status.DELIVERED):
            return []
        self.status = Status.DISPATCHED
        self.tracking_code = tracking_code
        self.dispatched_at = now
        return [ShipmentChange.DISPATCHED, *self._go_on()]

    def deliver(self, carrier: str, tracking_code: str, now: datetime) -> list[ShipmentChange]:
        """The carrier handed it over, and so had fetched it, whether or not it told us. Raises NotItsCarrier."""
        changes = self.dispatch(carrier, tracking_code, now)
        if self.status is Status.DELIVERED:
            return []
        self.status = Status.DELIVERED
        self.delivered_at = now
        self.look_at = None
        return [*changes, ShipmentChange.DELIVERED]

    # -- getting on ----------------------------------------------------------------------------------------

    @property
    def is_with_carrier(self) -> bool:
        """Whether its carrier has something to tell of it."""
        return self.status in (Status.BOOKED, Status.DISPATCHED)

    @property
    def has_ended(self) -> bool:
        return self.status in (Status.DELIVERED, Status.CANCELLED, Status.FAILED)

    def look_again(self, now: datetime, least: timedelta) -> None:
        """Have somebody look again after as much time as it has taken so far: `least` to an hour."""
        self.look_at = now + min(max(now - self.scheduled_at, least), LONGEST_SILENCE)

    @property
    def _open(self) -> list[str]:
        return [carrier for carrier in CARRIERS if carrier not in self.closed]

    def _stop(self, aim: Aim) -> list[ShipmentChange]:
        self.status = Status.STOPPING
        self.aim = aim
        return self._settle() if self.is_untouched else [ShipmentChange.TO_BE_UNBOOKED]

    def _settle(self) -> list[ShipmentChange]:
        """No carrier holds it: do what it was stopped for."""
        aim, self.aim = self.aim, None
        self.doubtful = False
        self.tracking_code = None
        if aim is Aim.CANCEL:
            self.status, self.failure, self.look_at = Status.CANCELLED, None, None
            return [ShipmentChange.CANCELLED]
        if aim is Aim.GIVE_UP or not self._open:
            self.status, self.failure, self.look_at = Status.FAILED, self.failure or Failure.NO_CARRIER, None
            return [ShipmentChange.FAILED]
        self.status = Status.SCHEDULED
        return [ShipmentChange.TO_BE_BOOKED]

    def _go_on(self) -> list[ShipmentChange]:
        aim, self.aim, self.failure = self.aim, None, None
        return [ShipmentChange.CANCELLATION_REFUSED] if aim is Aim.CANCEL else []
