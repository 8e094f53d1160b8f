"""Classifies database errors: one table says whether the work is paused, repeated, postponed or failed."""

from collections.abc import Iterator
from enum import Enum

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from marketplace_runtime.database.locked_rows import RowLocked

DATABASE_CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Errors that asyncpg raises when a connection is lost.

It raises `InternalClientError` if that happens in the middle of an answer.
"""


class ErrorKind(Enum):
    """Says what to do with the work that met an error. Only `FAILED` counts as an attempt of a message."""

    UNAVAILABLE = "pause until the database accepts a write, then run the work again"
    CONFLICT = "run the work again at once: another transaction was faster"
    BUSY = "postpone the work: it did not get its lock, or the database was too slow"
    FAILED = "the statement or its data is wrong: running it again is unlikely to help"


KINDS_BY_SQLSTATE = {
    "08": ErrorKind.UNAVAILABLE,  # connection exception
    "23505": ErrorKind.CONFLICT,  # unique violation: another transaction inserted the same row first
    "23P01": ErrorKind.CONFLICT,  # exclusion violation: likewise
    "25006": ErrorKind.UNAVAILABLE,  # read-only transaction: a standby, a demoted primary or a changed setting
    "25P03": ErrorKind.UNAVAILABLE,  # idle-in-transaction timeout: the server closed the session
    "25P04": ErrorKind.BUSY,  # transaction timeout
    "26": ErrorKind.CONFLICT,  # the prepared statement is gone with its session
    "28": ErrorKind.UNAVAILABLE,  # login refused: credentials or pg_hba.conf are being changed
    "3D": ErrorKind.UNAVAILABLE,  # the database does not exist: it is being restored
    "40": ErrorKind.CONFLICT,  # serialization failure, deadlock, statement completion unknown
    "42501": ErrorKind.UNAVAILABLE,  # insufficient privilege: the role's rights were changed
    "53": ErrorKind.UNAVAILABLE,  # disk full, out of memory, too many connections
    "55006": ErrorKind.BUSY,  # object in use
    "55P03": ErrorKind.BUSY,  # lock not available
    "57": ErrorKind.UNAVAILABLE,  # operator intervention: shutdown, crash, starting up
    "57014": ErrorKind.BUSY,  # query cancelled, usually by the statement timeout
    "58": ErrorKind.UNAVAILABLE,  # system error: I/O
    "72": ErrorKind.CONFLICT,  # snapshot too old
    "F0": ErrorKind.UNAVAILABLE,  # configuration file error
    "XX": ErrorKind.BUSY,  # internal error, corrupted data: no fault of the message
}
"""Kinds of errors by SQLSTATE (five characters) or its class (two); the longer entry wins. Others are `FAILED`, such as
most of the classes 22, 23 and 42.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

READ_ONLY = "25006"
LOCK_NOT_AVAILABLE = "55P03"


def sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's five-character code from the chain of causes of `error`; None if no error has one."""
    for each in _chain(error):
        code = getattr(each, "sqlstate", None)
        if isinstance(code, str):
            return code
    return None


def classify_error(error: BaseException) -> ErrorKind:
    """Return what to do with the work that met `error`."""
    chain = list(_chain(error))
    if isinstance(error, RowLocked):
        return ErrorKind.BUSY
    if any(isinstance(each, StaleDataError | asyncpg.InvalidCachedStatementError) for each in chain):
        return ErrorKind.CONFLICT  # a row or a table has changed: the next attempt prepares the statement again
    code = sqlstate(error)
    if code is not None:
        return KINDS_BY_SQLSTATE.get(code) or KINDS_BY_SQLSTATE.get(code[:2]) or ErrorKind.FAILED
    if any(isinstance(each, asyncpg.InterfaceError) and isinstance(each, ValueError) for each in chain):
        # This is asyncpg's DataError: a value cannot be encoded. All other InterfaceErrors concern the connection.
        return ErrorKind.FAILED
    unavailable_errors = PoolTimeout | OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    if isinstance(error, DBAPIError):
        lost = error.connection_invalidated or isinstance(error, InterfaceError)
        return ErrorKind.UNAVAILABLE if lost else ErrorKind.FAILED
    return ErrorKind.UNAVAILABLE if isinstance(error, unavailable_errors) else ErrorKind.FAILED


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database is unreachable or refuses all work."""
    return classify_error(error) is ErrorKind.UNAVAILABLE


def is_conflict(error: BaseException) -> bool:
    """Return whether the same work can be run again at once."""
    return classify_error(error) is ErrorKind.CONFLICT


def is_transient(error: BaseException) -> bool:
    """Return whether the cause is expected to pass, so that a background loop tries again in a moment."""
    return classify_error(error) is not ErrorKind.FAILED


def is_from_database(error: BaseException) -> bool:
    """Return whether the database or its client raised `error`, and not a handler's own code."""
    database_errors = (
        SQLAlchemyError | asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError | RowLocked
    )
    return any(isinstance(each, database_errors) for each in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and the errors that it wraps."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "orig", None) or seen.__cause__
