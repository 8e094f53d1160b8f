"""The events that notifications publishes, and that each use case declares its own."""

from uuid import UUID

import pytest

from contracts.notifications import (
    NotificationFailedV1,
    NotificationFailureReason,
    NotificationKind,
    NotificationSentV1,
)
from marketplace_runtime.testing import InMemoryTransaction
from notifications import handlers
from notifications.domain import Failed, Failure, Kind, Message, MessageChange, Sent
from notifications.publishing import publish_message_changes
from notifications.service import SERVICE
from notifications.webhooks import handlers as webhooks
from tests.publishing import require_true_declarations

ONE = UUID("00000000-0000-7000-8000-000000000001")


def a_message(kind: Kind) -> Message:
    return Message(ONE, "o1", kind, "ada", ONE, InMemoryTransaction().now)


def test_use_cases_declare_what_the_service_publishes() -> None:
    require_true_declarations(SERVICE, [handlers, webhooks])


@pytest.mark.parametrize("kind", NotificationKind)
def test_changes_of_a_message_are_published(kind: NotificationKind) -> None:
    memory, message = InMemoryTransaction(source=SERVICE.name), a_message(Kind(kind))
    publish_message_changes(memory.tx, message, [Sent()])
    publish_message_changes(memory.tx, message, [Failed(Failure.NO_CONTACT)])
    about = {"notification_id": ONE, "person_id": "ada", "kind": kind, "about": "o1"}
    reason = NotificationFailureReason.NO_CONTACT
    assert memory.published == [NotificationSentV1(**about), NotificationFailedV1(**about, reason=reason)]


@pytest.mark.parametrize("change", [Sent(), Failed(Failure.UNDELIVERABLE)])
def test_the_result_of_a_mail_about_a_disabled_endpoint_is_not_published(change: MessageChange) -> None:
    memory = InMemoryTransaction(source=SERVICE.name)
    publish_message_changes(memory.tx, a_message(Kind.WEBHOOK_DISABLED), [change])
    assert memory.published == []
