"""The domain rules of mail to people: which mail a person wants, and that each is sent once."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

MESSAGE_ID_NAMESPACE = UUID("6b0f5f0a-4a0e-5d0c-9c58-0f1d1f3b7a51")
"""Namespace of message ids (UUIDv5). Never change it, or mail about known matters is sent again."""


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
    """The mail is about to be sent, or may have been: the answer of the mail server is unknown."""
    SENT = "sent"
    SKIPPED = "skipped"
    """The person does not want this kind of mail."""
    FAILED = "failed"


class Failure(StrEnum):
    NO_CONTACT = "no-contact"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True)
class Sent:
    """The mail server accepted the mail."""


@dataclass(frozen=True)
class Failed:
    """The mail was not sent, and will not be, because of `failure`."""

    failure: Failure


MessageChange = Sent | Failed
"""A change of a message that can be published as an event."""


@dataclass(repr=False)  # personal data must not get into logs
class Contact:
    """The mail address and choices of a person, who owns them and may erase them."""

    person_id: str
    email: str
    order_updates: bool = True
    reminders: bool = True

    def wants(self, kind: Kind) -> bool:
        """Whether the person wants mail of this kind. Mail about a disabled endpoint is always sent."""
        if kind is Kind.WEBHOOK_DISABLED:
            return True
        return self.reminders if kind in REMINDERS else self.order_updates


@dataclass(frozen=True)
class Notice:
    """Something about which a person is to be notified."""

    about: str
    """The matter: an order, or one event about a product, cart or endpoint. A matter has one message of each kind."""
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
    """The record of the mail about a notice. It names the person, but holds neither address nor text."""

    notification_id: UUID
    about: str
    kind: Kind
    person_id: str
    event_id: UUID
    """The event for which the mail is sent. Another event about the same matter and of the same kind sends no mail."""
    created_at: datetime
    status: Status = Status.PENDING
    failure: Failure | None = None
    sent_at: datetime | None = None

    @classmethod
    def of(cls, notice: Notice, event_id: UUID, now: datetime) -> "Message":
        return cls(notice.notification_id, notice.about, notice.kind, notice.person_id, event_id, now)

    def is_to_be_sent_for(self, event_id: UUID) -> bool:
        return self.status is Status.PENDING and self.event_id == event_id

    def record_sent(self, now: datetime) -> list[MessageChange]:
        """Record that the mail server accepted the mail. Returns no change if the outcome was recorded before."""
        if self.status is not Status.PENDING:
            return []
        self.status, self.sent_at = Status.SENT, now
        return [Sent()]

    def record_failed(self, failure: Failure) -> list[MessageChange]:
        """Record that the mail will not be sent. Returns no change if the outcome was recorded before."""
        if self.status is not Status.PENDING:
            return []
        self.status, self.failure = Status.FAILED, failure
        return [Failed(failure)]

    def skip(self) -> None:
        self.status = Status.SKIPPED


def notification_id(about: str, kind: Kind) -> UUID:
    """Return the message id, derived from matter and kind. So a second event about them leads to the same message."""
    return uuid5(MESSAGE_ID_NAMESPACE, f"{kind}:{about}")


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
