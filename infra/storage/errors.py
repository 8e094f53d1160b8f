"""What a database error means for the work that met it."""

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises over a connection that is gone; the last where it went amid an answer."""

CONFLICTS = {
    "40001",  # serialization failure
    "40P01",  # deadlock detected
    "55P03",  # lock not available
    "23505",  # unique violation: another transaction inserted the same row first
}
UNAVAILABLE_CLASSES = ("08", "53", "57P")  # connection, resources, operator intervention
READ_ONLY = "25006"
CANCELLED = "57014"
"""Mostly by its timeout."""


def sqlstate(error: BaseException) -> str | None:
    """The five-character code that PostgreSQL gave, wherever in the chain it is."""
    seen: BaseException | None = error
    while seen is not None:
        code = getattr(seen, "sqlstate", None)
        if isinstance(code, str):
            return code
        seen = getattr(seen, "orig", None) or seen.__cause__
    return None


def is_unavailable(error: BaseException) -> bool:
    """Whether our database is away or refuses work: nobody's fault but the infrastructure's."""
    code = sqlstate(error)
    if code is not None:
        return code.startswith(UNAVAILABLE_CLASSES) or code == READ_ONLY
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, InterfaceError)
    return isinstance(error, PoolTimeout | ConnectionError | OSError | TimeoutError | asyncpg.InternalClientError)


def is_conflict(error: BaseException) -> bool:
    """Whether the same work may simply be done again, now."""
    return isinstance(error, StaleDataError) or sqlstate(error) in CONFLICTS


def is_passing(error: BaseException) -> bool:
    """Whether a loop that serves nobody's request may try again in a moment: away, in conflict, or too slow."""
    return is_unavailable(error) or is_conflict(error) or sqlstate(error) == CANCELLED
