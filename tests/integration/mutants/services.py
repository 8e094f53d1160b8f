"""Mutants of what services do with their database, payment providers and mail."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select

from checkout import gateways
from notifications.domain import Message, Status
from tests.integration.mutants.mutant import Patch


def stock_without_its_lock(patch: Patch) -> None:
    """Rows are read without locking them, so that one reservation overwrites another."""

    def read_only(statement: Any, **options: Any) -> Any:
        return statement

    patch(Select, "with_for_update", read_only)


def new_key_per_request(patch: Patch) -> None:
    """Each request to a payment provider has an idempotency key of its own."""
    key = gateways._key
    patch(gateways, "_key", lambda request: f"{key(request)}:{uuid4()}")


def mail_sent_for_every_event(patch: Patch) -> None:
    """Another event about the same matter sends its mail again."""

    def always(message: Message, event_id: UUID) -> bool:
        message.status, message.event_id = Status.PENDING, event_id
        return True

    patch(Message, "is_to_be_sent_for", always)
