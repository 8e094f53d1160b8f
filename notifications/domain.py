"""The rules of mail to people: who wants which, once each, and what it says."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

MATTERS = UUID("6b0f5f0a-4a0e-5d0c-9c58-0f1d1f3b7a51")
"""The name space of message ids; a constant of this service, never to change."""


class Kind(StrEnum):
    ORDER_CONFIRMED = "order-confirmed"
    ORDER_CANCELLED = "order-cancelled"
    CANCELLATION_REFUSED = "cancellation-refused"
    PAYMENT_REFUNDED = "payment-refunded"
    SHIPMENT_DISPATCHED = "shipment-dispatched"
    ORDER_DELIVERED = "order-delivered"
    CART_ABANDONED = "cart-abandoned"
    STOCK_RUNNING_LOW = "stock-running-low"
    WEBHOOK_DISABLED = "webhook-disabled"


REMINDERS = (Kind.CART_ABANDONED, Kind.STOCK_RUNNING_LOW)


class Status(StrEnum):
    PENDING = "pending"
    """It may have been sent: only the mail server knows."""
    SENT = "sent"
    SKIPPED = "skipped"
    """The person did not want it."""
    FAILED = "failed"


class Failure(StrEnum):
    NO_CONTACT = "no-contact"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True)
class Sent:
    """A mail server took it."""


@dataclass(frozen=True)
class Failed:
    """It was not and will not be sent, for this reason."""

    failure: Failure


MessageChange = Sent | Failed
"""What others are told of a message."""


@dataclass(repr=False)  # personal data: not for logs
class Contact:
    """How to reach a person, and what for. Owned by the person, who may erase it."""

    person_id: str
    email: str
    order_updates: bool = True
    reminders: bool = True

    def wants(self, kind: Kind) -> bool:
        """Whether they chose to be told. That something of theirs stopped working is no matter of choice."""
        if kind is Kind.WEBHOOK_DISABLED:
            return True
        return self.reminders if kind in REMINDERS else self.order_updates


@dataclass(frozen=True)
class Notice:
    """Something that a person should be told."""

    about: str
    """The order; or the product, cart or endpoint at one moment: there is one message per matter and kind."""
    kind: Kind
    person_id: str
    text: str

    @property
    def notification_id(self) -> UUID:
        return notification_id(self.about, self.kind)

    @property
    def subject(self) -> str:
        return SUBJECTS[self.kind]


@dataclass
class Message:
    """What became of a notice. It names the person, and holds neither address nor text."""

    notification_id: UUID
    about: str
    kind: Kind
    person_id: str
    event_id: UUID
    """The event that it is sent for: while that is under way, another about the same sends nothing."""
    created_at: datetime
    status: Status = Status.PENDING
    failure: Failure | None = None
    sent_at: datetime | None = None

    @classmethod
    def of(cls, notice: Notice, event_id: UUID, now: datetime) -> "Message":
        return cls(notice.notification_id, notice.about, notice.kind, notice.person_id, event_id, now)

    def is_to_be_sent_for(self, event_id: UUID) -> bool:
        return self.status is Status.PENDING and self.event_id == event_id

    def sent(self, now: datetime) -> list[MessageChange]:
        """A mail server took it."""
        if self.status is not Status.PENDING:
            return []
        self.status, self.sent_at = Status.SENT, now
        return [Sent()]

    def failed(self, failure: Failure) -> list[MessageChange]:
        """It was not and will not be sent."""
        if self.status is not Status.PENDING:
            return []
        self.status, self.failure = Status.FAILED, failure
        return [Failed(failure)]

    def skip(self) -> None:
        self.status = Status.SKIPPED


def notification_id(about: str, kind: Kind) -> UUID:
    """Follows from the matter and the kind, so that a second message about the same is the same message."""
    return uuid5(MATTERS, f"{kind}:{about}")


SUBJECTS = {
    Kind.ORDER_CONFIRMED: "Your order is confirmed",
    Kind.ORDER_CANCELLED: "Your order was cancelled",
    Kind.CANCELLATION_REFUSED: "Your order could not be cancelled",
    Kind.PAYMENT_REFUNDED: "Your money is on its way back",
    Kind.SHIPMENT_DISPATCHED: "Your parcel is on its way",
    Kind.ORDER_DELIVERED: "Your parcel was delivered",
    Kind.CART_ABANDONED: "Something is waiting in your cart",
    Kind.STOCK_RUNNING_LOW: "A product of yours is running low",
    Kind.WEBHOOK_DISABLED: "A webhook endpoint of yours is disabled",
}
