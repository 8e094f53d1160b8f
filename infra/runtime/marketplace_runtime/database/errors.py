"""Classifies database errors: one table says whether the work is paused, repeated, postponed or failed."""

from collections.abc import Iterator
from enum import Enum

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from marketplace_runtime.database.locked_rows import RowLocked

LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Errors that asyncpg raises when a connection is lost; the last one if that happens in the middle of an answer."""


class Verdict(Enum):
    """Says what to do with the work that met an error. Only `FAILED` counts as an attempt of a message."""

    UNAVAILABLE = "pause until the database accepts a write, then run the work again"
    CONFLICT = "run the work again at once: another transaction was faster"
    BUSY = "postpone the work: it did not get its lock, or the database was too slow"
    FAILED = "the statement or its data is wrong: running it again is unlikely to help"


VERDICTS = {
    "08": Verdict.UNAVAILABLE,  # connection exception
    "23505": Verdict.CONFLICT,  # unique violation: another transaction inserted the same row first
    "23P01": Verdict.CONFLICT,  # exclusion violation: likewise
    "25006": Verdict.UNAVAILABLE,  # read-only transaction: a standby, a demoted primary or a changed setting
    "25P03": Verdict.UNAVAILABLE,  # idle-in-transaction timeout: the server closed the session
    "25P04": Verdict.BUSY,  # transaction timeout
    "26": Verdict.CONFLICT,  # the prepared statement is gone with its session
    "28": Verdict.UNAVAILABLE,  # login refused: credentials or pg_hba.conf are being changed
    "3D": Verdict.UNAVAILABLE,  # the database does not exist: it is being restored
    "40": Verdict.CONFLICT,  # serialization failure, deadlock, unknown completion
    "42501": Verdict.UNAVAILABLE,  # insufficient privilege: the role's rights were changed
    "53": Verdict.UNAVAILABLE,  # disk full, out of memory, too many connections
    "55006": Verdict.BUSY,  # object in use
    "55P03": Verdict.BUSY,  # lock not available
    "57": Verdict.UNAVAILABLE,  # operator intervention: shutdown, crash, starting up
    "57014": Verdict.BUSY,  # query cancelled, usually by the statement timeout
    "58": Verdict.UNAVAILABLE,  # system error: I/O
    "72": Verdict.CONFLICT,  # snapshot too old
    "F0": Verdict.UNAVAILABLE,  # configuration file error
    "XX": Verdict.BUSY,  # internal error, corrupted data: no fault of the message
}
"""Verdicts by SQLSTATE (five characters) or its class (two); the longer entry wins. Others are `FAILED`, such as
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


def verdict_on(error: BaseException) -> Verdict:
    """Return what to do with the work that met `error`."""
    chain = list(_chain(error))
    if isinstance(error, RowLocked):
        return Verdict.BUSY
    if any(isinstance(each, StaleDataError | asyncpg.InvalidCachedStatementError) for each in chain):
        return Verdict.CONFLICT  # a row or a table has changed: the next attempt prepares the statement again
    code = sqlstate(error)
    if code is not None:
        return VERDICTS.get(code) or VERDICTS.get(code[:2]) or Verdict.FAILED
    if any(isinstance(each, asyncpg.InterfaceError) and isinstance(each, ValueError) for each in chain):
        return Verdict.FAILED  # the client refused a value: its only interface error that is not about the connection
    away = PoolTimeout | OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    if isinstance(error, DBAPIError):
        lost = error.connection_invalidated or isinstance(error, InterfaceError)
        return Verdict.UNAVAILABLE if lost else Verdict.FAILED
    return Verdict.UNAVAILABLE if isinstance(error, away) else Verdict.FAILED


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database is unreachable or refuses all work."""
    return verdict_on(error) is Verdict.UNAVAILABLE


def is_conflict(error: BaseException) -> bool:
    """Return whether the same work can be run again at once."""
    return verdict_on(error) is Verdict.CONFLICT


def is_passing(error: BaseException) -> bool:
    """Return whether the cause is expected to pass, so that a background loop tries again in a moment."""
    return verdict_on(error) is not Verdict.FAILED


def is_from_database(error: BaseException) -> bool:
    """Return whether the database or its client raised `error`, and not a handler's own code."""
    ours = SQLAlchemyError | asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError | RowLocked
    return any(isinstance(each, ours) for each in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and the errors that it wraps."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "orig", None) or seen.__cause__
