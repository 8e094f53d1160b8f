"""What notifications publish, and that each use case declares it."""

import ast
from inspect import getmembers, iscoroutinefunction
from pathlib import Path
from uuid import UUID

import pytest

import notifications
from contracts.notifications import (
    NotificationFailedV1,
    NotificationFailureReason,
    NotificationKind,
    NotificationSentV1,
)
from marketplace_runtime.database import declaration_of
from marketplace_runtime.testing import Memory
from notifications import handlers
from notifications.domain import Failed, Failure, Kind, Message, MessageChange, Sent
from notifications.publishing import publish_message_changes
from notifications.service import SERVICE
from notifications.webhooks import handlers as webhooks

PACKAGE = Path(notifications.__file__).parent
USE_CASES = {
    use_case: declaration_of(use_case)
    for module in (handlers, webhooks)
    for name, use_case in getmembers(module, iscoroutinefunction)
    if not name.startswith(("_", "load_"))
}
ONE = UUID("00000000-0000-7000-8000-000000000001")


def a_message(kind: Kind) -> Message:
    return Message(ONE, "o1", kind, "ada", ONE, Memory().now)


def test_every_use_case_declares_what_it_publishes() -> None:
    reactions = [each for subscription in SERVICE.hears for each in subscription.reactions.values()]
    assert {step for each in reactions for step in each.use_cases} | {*SERVICE.sweeps} <= {*USE_CASES}
    assert webhooks.redeliver in USE_CASES, "those that HTTP calls are found, too"
    assert [use_case.__name__ for use_case, declaration in USE_CASES.items() if declaration is None] == []


def test_use_cases_declare_every_event_that_the_service_publishes_and_no_other() -> None:
    declared = {event for declaration in USE_CASES.values() if declaration for event in declaration.events}
    assert declared == {*SERVICE.says}


def test_events_are_published_in_one_place_per_aggregate() -> None:
    publishing = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "publish"
    }
    assert publishing == {"publishing.py", "webhooks/publishing.py"}


@pytest.mark.parametrize("kind", NotificationKind)
def test_changes_of_a_message_are_published(kind: NotificationKind) -> None:
    memory, message = Memory(source=SERVICE.name), a_message(Kind(kind))
    publish_message_changes(memory.tx, message, [Sent()])
    publish_message_changes(memory.tx, message, [Failed(Failure.NO_CONTACT)])
    about = {"notification_id": ONE, "person_id": "ada", "kind": kind, "about": "o1"}
    reason = NotificationFailureReason.NO_CONTACT
    assert memory.said == [NotificationSentV1(**about), NotificationFailedV1(**about, reason=reason)]


@pytest.mark.parametrize("change", [Sent(), Failed(Failure.UNDELIVERABLE)])
def test_the_mail_about_a_disabled_endpoint_is_not_published(change: MessageChange) -> None:
    memory = Memory(source=SERVICE.name)
    publish_message_changes(memory.tx, a_message(Kind.WEBHOOK_DISABLED), [change])
    assert memory.said == []
