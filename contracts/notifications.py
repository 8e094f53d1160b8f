"""The events that notifications publishes."""

from enum import StrEnum
from uuid import UUID

from marketplace_runtime.events import Event, PersonId


class NotificationKind(StrEnum):
    ORDER_CONFIRMED = "order-confirmed"
    ORDER_CANCELLED = "order-cancelled"
    CANCELLATION_REFUSED = "cancellation-refused"
    PAYMENT_REFUNDED = "payment-refunded"
    SHIPMENT_DISPATCHED = "shipment-dispatched"
    ORDER_DELIVERED = "order-delivered"
    CART_ABANDONED = "cart-abandoned"
    STOCK_RUNNING_LOW = "stock-running-low"


class NotificationFailureReason(StrEnum):
    NO_CONTACT = "no-contact"
    UNDELIVERABLE = "undeliverable"


class NotificationSentV1(Event, type="notifications.notification-sent.v1", key="about"):
    """A mail server took the mail."""

    notification_id: UUID
    person_id: PersonId
    kind: NotificationKind
    about: str
    """The id of the order, cart or product that the mail is about."""


class NotificationFailedV1(Event, type="notifications.notification-failed.v1", key="about"):
    """No mail was or will be sent."""

    notification_id: UUID
    person_id: PersonId
    kind: NotificationKind
    about: str
    reason: NotificationFailureReason


class WebhookDisabledReason(StrEnum):
    FAILING = "failing"
    GONE = "gone"
    OVERRUN = "overrun"


class WebhookDisabledV1(Event, type="notifications.webhook-disabled.v1", key="endpoint_id"):
    """Nothing more is sent to an endpoint until its owner enables it again."""

    endpoint_id: UUID
    person_id: PersonId
    """The owner of the endpoint."""
    reason: WebhookDisabledReason


class WebhookDueV1(Event, type="notifications.webhook-due.v1", key="endpoint_id", internal=True):
    """Deadline: send an endpoint the messages that are due."""

    endpoint_id: UUID
    turn: UUID
    """The id of the turn in which messages are sent. The event has no effect if another turn replaced this one."""
