"""The rules of a shipment: one parcel per order, by one of two carriers, stopped only if it still can be.

A carrier acts once per idempotency key, however often it is asked. A shipment has one key at each carrier.
To close a key is to make the carrier cancel any booking under it, and refuse all later ones.

`carrier` is stored before the first request is sent. It is reset in two cases only: the carrier answered "not booked"
to the only request ever sent under its key, or the key was closed. After any other outcome (no answer, a crash, a late
arrival), the parcel stays with that carrier. So no two carriers ever hold it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from delivery.domain.states import Aim, Failure, ShipmentChange, Status

CARRIERS = ("a", "b")
"""The carriers, in the order in which they are asked."""

DEADLINE_TOLERANCE = timedelta(seconds=2)
"""Lateness above which a deadline counts as missed by delivery itself, because no replica was running."""

MAX_CHECK_INTERVAL = timedelta(hours=1)
"""Longest interval at which a silent carrier is asked where a parcel is."""

RECENT_REQUEST_SHARE = 2 / 3
"""Share of the shipping deadline. If no carrier was asked for that long, an outage of delivery is assumed."""


class WrongCarrier(Exception):
    """The tracking is from a carrier that should not have the parcel."""


@dataclass
class Shipment:
    """The shipment of one order's parcel."""

    order_id: UUID
    shipment_id: UUID
    customer_id: str
    scheduled_at: datetime
    due_at: datetime
    """When delivery gives up if no carrier has booked the parcel."""
    status: Status = Status.SCHEDULED
    carrier: str | None = None
    """The carrier that holds the parcel, or was asked and may hold it."""
    tracking_code: str | None = None
    asked_at: datetime | None = None
    """When a carrier was last asked to book the parcel."""
    doubtful: bool = False
    """More than one request was sent to `carrier`. After a "not booked", another may still book the parcel."""
    refusals: int = 0
    """Number of certain "not booked" answers."""
    closed: list[str] = field(default_factory=list)
    """Carriers that can never book this shipment again. Replace the list: changes in place are not saved."""
    aim: Aim | None = None
    """Why the shipment is being stopped. None if it is not."""
    failure: Failure | None = None
    look_at: datetime | None = None
    """When a sweep next checks that the shipment makes progress. None once it has ended."""
    address_id: UUID | None = None
    """The address as of checkout. If that is unknown or erased, the address as of the request to a carrier."""
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None

    @classmethod
    def cancelled_before_order(cls, order_id: UUID, shipment_id: UUID, customer_id: str, now: datetime) -> "Shipment":
        """Create a shipment that is already cancelled, as the cancellation arrived before the order's confirmation."""
        return cls(order_id, shipment_id, customer_id, now, now, status=Status.CANCELLED)

    # -- booking -------------------------------------------------------------------------------------------

    @property
    def is_unassigned(self) -> bool:
        """Whether no carrier can hold the parcel."""
        return self.carrier is None

    def choose_carrier(self, now: datetime) -> str:
        """Choose the carrier to ask next, and record it. Commit this before the request is sent."""
        if self.carrier is None:
            self.carrier = self._open_carriers[self.refusals % len(self._open_carriers)]
        else:
            self.doubtful = True
        self.asked_at = now
        return self.carrier

    def rebook(self) -> list[ShipmentChange]:
        """Close the key of the carrier that was asked, then book again."""
        return self._stop(Aim.REBOOK)

    def record_booked(self, carrier: str, tracking_code: str) -> list[ShipmentChange]:
        """Record that the carrier booked the parcel."""
        if carrier == self.carrier and self.status in (Status.SCHEDULED, Status.STOPPING):
            self.tracking_code = tracking_code
            if self.status is Status.SCHEDULED:
                self.status = Status.BOOKED
        return []

    def record_not_booked(self, carrier: str) -> list[ShipmentChange]:
        """Record that a request did not book the parcel.

        If this was the only request, the next carrier is asked, after a pause if all have refused. Otherwise the key
        of this carrier is closed first.
        """
        if carrier != self.carrier or self.status not in (Status.SCHEDULED, Status.STOPPING):
            return []
        if self.doubtful:
            return self.rebook() if self.status is Status.SCHEDULED else []  # otherwise its key is already being closed
        self.carrier = None
        self.refusals += 1
        if self.status is Status.STOPPING:
            return self._apply_aim()
        others_left = self.refusals % len(self._open_carriers)
        return [ShipmentChange.TO_BE_BOOKED if others_left else ShipmentChange.REFUSED_BY_ALL_CARRIERS]

    # -- stopping ------------------------------------------------------------------------------------------

    def cancel(self) -> list[ShipmentChange]:
        """Stop the parcel for the customer, or refuse to.

        The result is published once: now, or when the carrier has answered.
        """
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

    def check_deadline(self, now: datetime, time_limit: timedelta, *, has_address: bool) -> list[ShipmentChange]:
        """Give up the shipment at its deadline if no carrier has booked it. A booked one continues.

        The deadline is extended if missed by more than `DEADLINE_TOLERANCE`, or if no carrier was asked lately although
        there was an address. So an outage of delivery itself fails no shipment.
        """
        needs_carrier = self.status is Status.SCHEDULED or self.aim is Aim.REBOOK
        if not needs_carrier:
            return []
        was_trying = self.asked_at is not None and now - self.asked_at < time_limit * RECENT_REQUEST_SHARE
        if now > self.due_at + DEADLINE_TOLERANCE or (has_address and not was_trying):
            self.due_at = now + time_limit
            booking = [ShipmentChange.TO_BE_BOOKED] if self.status is Status.SCHEDULED else []
            return [ShipmentChange.DEADLINE_EXTENDED, *booking]
        self.failure = Failure.NO_CARRIER if has_address or self.asked_at else Failure.NO_ADDRESS
        if self.status is Status.STOPPING:
            self.aim = Aim.GIVE_UP
            return []
        return self._stop(Aim.GIVE_UP)

    def record_key_closed(self, carrier: str) -> list[ShipmentChange]:
        """Record that the carrier holds nothing under the shipment's key, and never will."""
        if carrier != self.carrier or self.status not in (Status.SCHEDULED, Status.STOPPING):
            return []
        self.closed = [*self.closed, carrier]
        self.carrier = None
        return self._apply_aim()

    def record_already_dispatched(self, carrier: str) -> list[ShipmentChange]:
        """Record that the carrier could not stop the parcel. Tracking reports its dispatch later."""
        if carrier != self.carrier or self.status is not Status.STOPPING:
            return []
        self.status = Status.BOOKED
        return self._resume()

    # -- tracking ------------------------------------------------------------------------------------------

    def dispatch(self, carrier: str, tracking_code: str, now: datetime) -> list[ShipmentChange]:
        """Record that the carrier collected the parcel, so that it can no longer be stopped.

        Raises `WrongCarrier` if this carrier should not have it.
        """
        if carrier != self.carrier:
            raise WrongCarrier
        if self.status in (Status.DISPATCHED, Status.DELIVERED):
            return []
        self.status = Status.DISPATCHED
        self.tracking_code = tracking_code
        self.dispatched_at = now
        return [ShipmentChange.DISPATCHED, *self._resume()]

    def deliver(self, carrier: str, tracking_code: str, now: datetime) -> list[ShipmentChange]:
        """Record that the carrier delivered the parcel. Also records its dispatch if that was not reported.

        Raises `WrongCarrier` if this carrier should not have it.
        """
        changes = self.dispatch(carrier, tracking_code, now)
        if self.status is Status.DELIVERED:
            return []
        self.status = Status.DELIVERED
        self.delivered_at = now
        self.look_at = None
        return [*changes, ShipmentChange.DELIVERED]

    # -- progress ------------------------------------------------------------------------------------------

    @property
    def is_with_carrier(self) -> bool:
        """Whether the parcel is with a carrier that can report where it is."""
        return self.status in (Status.BOOKED, Status.DISPATCHED)

    @property
    def has_ended(self) -> bool:
        return self.status in (Status.DELIVERED, Status.CANCELLED, Status.FAILED)

    def schedule_next_check(self, now: datetime, min_interval: timedelta) -> None:
        """Set the next check. Its interval is the shipment's age, from `min_interval` to `MAX_CHECK_INTERVAL`."""
        self.look_at = now + min(max(now - self.scheduled_at, min_interval), MAX_CHECK_INTERVAL)

    @property
    def _open_carriers(self) -> list[str]:
        return [carrier for carrier in CARRIERS if carrier not in self.closed]

    def _stop(self, aim: Aim) -> list[ShipmentChange]:
        self.status = Status.STOPPING
        self.aim = aim
        return self._apply_aim() if self.is_unassigned else [ShipmentChange.TO_BE_UNBOOKED]

    def _apply_aim(self) -> list[ShipmentChange]:
        """Apply the aim of the stop, now that no carrier holds the parcel."""
        aim, self.aim = self.aim, None
        self.doubtful = False
        self.tracking_code = None
        if aim is Aim.CANCEL:
            self.status, self.failure, self.look_at = Status.CANCELLED, None, None
            return [ShipmentChange.CANCELLED]
        if aim is Aim.GIVE_UP or not self._open_carriers:
            self.status, self.failure, self.look_at = Status.FAILED, self.failure or Failure.NO_CARRIER, None
            return [ShipmentChange.FAILED]
        self.status = Status.SCHEDULED
        return [ShipmentChange.TO_BE_BOOKED]

    def _resume(self) -> list[ShipmentChange]:
        """Continue the shipment, which could not be stopped. Returns the refusal if the customer asked to stop it."""
        aim, self.aim, self.failure = self.aim, None, None
        return [ShipmentChange.CANCELLATION_REFUSED] if aim is Aim.CANCEL else []
