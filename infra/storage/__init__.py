"""A service's own database: transactions, and the tables that the messaging runtime keeps in it."""

from infra.storage import (
    claims,
    dead_letters,
    idempotency,
    inbox,
    incidents,
    ops,
    outbox,
    presence,
    schedule,
    story,
    suspects,
)
from infra.storage.database import Database
from infra.storage.errors import is_conflict, is_unavailable
from infra.storage.ids import new_id, time_of, why_unusable
from infra.storage.migrate import SchemaBehind, migrate, migrate_in_a_process_of_its_own, require_current
from infra.storage.partitions import make_partitions
from infra.storage.transaction import Transaction, identity_of

__all__ = [
    "Database",
    "SchemaBehind",
    "Transaction",
    "claims",
    "dead_letters",
    "idempotency",
    "identity_of",
    "inbox",
    "incidents",
    "is_conflict",
    "is_unavailable",
    "make_partitions",
    "migrate",
    "migrate_in_a_process_of_its_own",
    "new_id",
    "ops",
    "outbox",
    "presence",
    "require_current",
    "schedule",
    "story",
    "suspects",
    "time_of",
    "why_unusable",
]
