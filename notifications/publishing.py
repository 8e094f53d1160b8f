"""Translates changes of a message into events. Only this module and `webhooks.publishing` publish in this service."""

from collections.abc import Sequence

from contracts.notifications import (
    NotificationFailedV1,
    NotificationFailureReason,
    NotificationKind,
    NotificationSentV1,
)
from marketplace_runtime.database import Transaction
from notifications.domain import Failed, Kind, Message, MessageChange, Sent

PUBLISHED_KINDS = {Kind(kind.value) for kind in NotificationKind}
"""The kinds that the contracts of NotificationSent and NotificationFailed have: all but WEBHOOK_DISABLED."""


def publish_message_changes(tx: Transaction, message: Message, changes: Sequence[MessageChange]) -> None:
    """Publish an event for each change of a message, if its kind is in `PUBLISHED_KINDS`."""
    if message.kind not in PUBLISHED_KINDS:
        return
    notification_id, person_id, about = message.notification_id, message.person_id, message.about
    kind = NotificationKind(message.kind)
    for change in changes:
        match change:
            case Sent():
                tx.publish(
                    NotificationSentV1(notification_id=notification_id, person_id=person_id, kind=kind, about=about)
                )
            case Failed(failure):
                tx.publish(
                    NotificationFailedV1(
                        notification_id=notification_id,
                        person_id=person_id,
                        kind=kind,
                        about=about,
                        reason=NotificationFailureReason(failure),
                    )
                )
