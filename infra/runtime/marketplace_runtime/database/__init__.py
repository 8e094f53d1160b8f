"""Gives a service access to its own database: transactions, migrations, partitions and ids."""

from marketplace_runtime.database.advisory_locks import ADVISORY_LOCK_FILTER
from marketplace_runtime.database.database import HANDLER_LOCK_TIMEOUT_S, Database
from marketplace_runtime.database.declarations import (
    Declaration,
    UndeclaredEvent,
    declaration_of,
    publishes,
    with_declaration,
)
from marketplace_runtime.database.errors import (
    DATABASE_CONNECTION_ERRORS,
    ErrorKind,
    classify_error,
    is_conflict,
    is_from_database,
    is_transient,
    is_unavailable,
    sqlstate,
)
from marketplace_runtime.database.ids import (
    MAX_CLOCK_AHEAD,
    MAX_EVENT_AGE,
    find_id_defect,
    has_daily_partition,
    is_ahead,
    new_id,
    time_of,
)
from marketplace_runtime.database.migrate import SchemaOutdated, migrate, migrate_in_subprocess, require_current_schema
from marketplace_runtime.database.outbox import bucket_of
from marketplace_runtime.database.partitions import MIN_RETENTION_DAYS, drop_partitions, make_partitions
from marketplace_runtime.database.pooler_check import UnsupportedPooler, require_dedicated_sessions
from marketplace_runtime.database.process_id import LOCAL_ID_BITS, NETWORK_NAMESPACE_ID
from marketplace_runtime.database.schedule import ScheduleEntry, entry_columns
from marketplace_runtime.database.transaction import Transaction, check_versions, identity_key_of

__all__ = [
    "ADVISORY_LOCK_FILTER",
    "DATABASE_CONNECTION_ERRORS",
    "HANDLER_LOCK_TIMEOUT_S",
    "LOCAL_ID_BITS",
    "MAX_CLOCK_AHEAD",
    "MAX_EVENT_AGE",
    "MIN_RETENTION_DAYS",
    "NETWORK_NAMESPACE_ID",
    "Database",
    "Declaration",
    "ErrorKind",
    "ScheduleEntry",
    "SchemaOutdated",
    "Transaction",
    "UndeclaredEvent",
    "UnsupportedPooler",
    "bucket_of",
    "check_versions",
    "classify_error",
    "declaration_of",
    "drop_partitions",
    "entry_columns",
    "find_id_defect",
    "has_daily_partition",
    "identity_key_of",
    "is_ahead",
    "is_conflict",
    "is_from_database",
    "is_transient",
    "is_unavailable",
    "make_partitions",
    "migrate",
    "migrate_in_subprocess",
    "new_id",
    "publishes",
    "require_current_schema",
    "require_dedicated_sessions",
    "sqlstate",
    "time_of",
    "with_declaration",
]
