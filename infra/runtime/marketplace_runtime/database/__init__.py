"""Gives a service access to its own database: transactions, migrations, partitions and ids."""

from marketplace_runtime.database.advisory_locks import HERE
from marketplace_runtime.database.database import LOCK_TIMEOUT_S, Database
from marketplace_runtime.database.declarations import (
    Declaration,
    UndeclaredEvent,
    declaration_of,
    publishes,
    with_declaration,
)
from marketplace_runtime.database.errors import (
    LOST,
    Verdict,
    is_conflict,
    is_from_database,
    is_passing,
    is_unavailable,
    sqlstate,
    verdict_on,
)
from marketplace_runtime.database.ids import AHEAD, HORIZON, has_partition, is_ahead, new_id, time_of, why_unusable
from marketplace_runtime.database.migrate import SchemaBehind, migrate, migrate_in_a_process_of_its_own, require_current
from marketplace_runtime.database.outbox import bucket_of
from marketplace_runtime.database.partitions import LEAST_DAYS, drop_partitions, make_partitions
from marketplace_runtime.database.pooler_check import SharedSessions, require_own_sessions
from marketplace_runtime.database.process_id import BITS, PLACE
from marketplace_runtime.database.schedule import Entry, columns
from marketplace_runtime.database.transaction import Transaction, check_versions, identity_of

__all__ = [
    "AHEAD",
    "BITS",
    "HERE",
    "HORIZON",
    "LEAST_DAYS",
    "LOCK_TIMEOUT_S",
    "LOST",
    "PLACE",
    "Database",
    "Declaration",
    "Entry",
    "SchemaBehind",
    "SharedSessions",
    "Transaction",
    "UndeclaredEvent",
    "Verdict",
    "bucket_of",
    "check_versions",
    "columns",
    "declaration_of",
    "drop_partitions",
    "has_partition",
    "identity_of",
    "is_ahead",
    "is_conflict",
    "is_from_database",
    "is_passing",
    "is_unavailable",
    "make_partitions",
    "migrate",
    "migrate_in_a_process_of_its_own",
    "new_id",
    "publishes",
    "require_current",
    "require_own_sessions",
    "sqlstate",
    "time_of",
    "verdict_on",
    "why_unusable",
    "with_declaration",
]
