"""Mutants of the services' use of database, payment providers and mail server."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select

from checkout import gateways
from notifications.domain import Message, Status
from tests.integration.mutants.mutant import Mutant, Patch


def stock_without_its_lock(patch: Patch) -> None:
    """Rows are read without locking them, so that one reservation overwrites another."""

    def read_only(statement: Any, **options: Any) -> Any:
        return statement

    patch(Select, "with_for_update", read_only)


def new_key_per_request(patch: Patch) -> None:
    """Each request to a payment provider has a new idempotency key."""
    key = gateways._key
    patch(gateways, "_key", lambda request: f"{key(request)}:{uuid4()}")


def mail_sent_for_every_event(patch: Patch) -> None:
    """Each event about a matter sends a mail, even if one was sent already."""

    def always(message: Message, event_id: UUID) -> bool:
        message.status, message.event_id = Status.PENDING, event_id
        return True

    patch(Message, "is_to_be_sent_for", always)


MUTANTS: list[tuple[Mutant, str]] = [
    (stock_without_its_lock, "the catalog's test of concurrent batches, in a real database"),
    (new_key_per_request, "the audit, `never-charged-twice`, with the ledger of a stand-in that lost its answers"),
    (mail_sent_for_every_event, "the audit, `no-mail-comes-twice`, with the inbox of the stand-in for the mail server"),
]
"""Each mutant with the check that finds it, in words for docs/audit.md."""
