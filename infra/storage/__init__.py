"""A service's own database: transactions, and the tables that the messaging runtime keeps in it."""

from infra.storage import (
    claims,
    dead_letters,
    history,
    idempotency,
    inbox,
    incidents,
    ops,
    outbox,
    parking,
    presence,
    redrive,
    republish,
    schedule,
    story,
    suspects,
)
from infra.storage.database import LOCK_TIMEOUT_S, Database
from infra.storage.errors import (
    Verdict,
    is_conflict,
    is_from_database,
    is_passing,
    is_unavailable,
    sqlstate,
    verdict_on,
)
from infra.storage.idempotency import forget_answers
from infra.storage.ids import HORIZON, has_partition, is_ahead, new_id, time_of, why_unusable
from infra.storage.lost import is_lost
from infra.storage.migrate import SchemaBehind, migrate, migrate_in_a_process_of_its_own, require_current
from infra.storage.partitions import LEAST_DAYS, drop_partitions, make_partitions
from infra.storage.pooling import SharedSessions, require_own_sessions
from infra.storage.text import storable
from infra.storage.transaction import Transaction, check_versions, identity_of

__all__ = [
    "HORIZON",
    "LEAST_DAYS",
    "LOCK_TIMEOUT_S",
    "Database",
    "SchemaBehind",
    "SharedSessions",
    "Transaction",
    "Verdict",
    "check_versions",
    "claims",
    "dead_letters",
    "drop_partitions",
    "forget_answers",
    "has_partition",
    "history",
    "idempotency",
    "identity_of",
    "inbox",
    "incidents",
    "is_ahead",
    "is_conflict",
    "is_from_database",
    "is_lost",
    "is_passing",
    "is_unavailable",
    "make_partitions",
    "migrate",
    "migrate_in_a_process_of_its_own",
    "new_id",
    "ops",
    "outbox",
    "parking",
    "presence",
    "redrive",
    "republish",
    "require_current",
    "require_own_sessions",
    "schedule",
    "sqlstate",
    "storable",
    "story",
    "suspects",
    "time_of",
    "verdict_on",
    "why_unusable",
]
