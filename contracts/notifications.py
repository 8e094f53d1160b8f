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
    """No request succeeded for too long."""
    GONE = "gone"
    """The endpoint answered that it no longer exists."""
    OVERRUN = "overrun"
    """Events arrive faster than the endpoint accepts them, and too many are waiting."""


class WebhookDisabledV1(Event, type="notifications.webhook-disabled.v1", key="endpoint_id"):
    """Nothing more is sent to an endpoint until its owner enables it again."""

    endpoint_id: UUID
    person_id: PersonId
    """The owner of the endpoint."""
    reason: WebhookDisabledReason


class WebhookDueV1(Event, type="notifications.webhook-due.v1", key="endpoint_id", internal=True):
    """Deadline: send an endpoint the events that are due for it."""

    endpoint_id: UUID
    turn: UUID
    """An endpoint is served in turns, one at a time. If another turn replaced this one, the event has no effect."""
