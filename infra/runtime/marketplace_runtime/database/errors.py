"""Database errors: one table decides what each of them means for the work that met it."""

from collections.abc import Iterator
from enum import Enum

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from marketplace_runtime.database.locked_rows import RowLocked

LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises when a connection is gone; the last if it was lost in the middle of an answer."""


class Verdict(Enum):
    """What to do with the work. Only `FAILED` counts as an attempt of a message."""

    UNAVAILABLE = "pause until the database accepts a write, then run the work again"
    CONFLICT = "run the work again at once: another transaction was faster"
    BUSY = "set the work aside and run it later: it did not get its lock, or the database was too slow"
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
"""By SQLSTATE or its class; the longer entry wins. All others (22, 23, 42 and so on) are `FAILED`.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

READ_ONLY = "25006"
LOCK_NOT_AVAILABLE = "55P03"


def sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's five-character code, wherever it is in the chain of errors."""
    for each in _chain(error):
        code = getattr(each, "sqlstate", None)
        if isinstance(code, str):
            return code
    return None


def verdict_on(error: BaseException) -> Verdict:
    """Decide what `error` means for the work that met it."""
    chain = list(_chain(error))
    if isinstance(error, RowLocked):
        return Verdict.BUSY
    if any(isinstance(each, StaleDataError | asyncpg.InvalidCachedStatementError) for each in chain):
        return Verdict.CONFLICT  # a changed row, or a changed table: the statement is prepared anew
    code = sqlstate(error)
    if code is not None:
        return VERDICTS.get(code) or VERDICTS.get(code[:2]) or Verdict.FAILED
    if any(isinstance(each, asyncpg.InterfaceError) and isinstance(each, ValueError) for each in chain):
        return Verdict.FAILED  # the client refused a value: its one interface error that is not about a connection
    away = PoolTimeout | OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    if isinstance(error, DBAPIError):
        lost = error.connection_invalidated or isinstance(error, InterfaceError)
        return Verdict.UNAVAILABLE if lost else Verdict.FAILED
    return Verdict.UNAVAILABLE if isinstance(error, away) else Verdict.FAILED


def is_unavailable(error: BaseException) -> bool:
    """Whether our database is away or refuses all work."""
    return verdict_on(error) is Verdict.UNAVAILABLE


def is_conflict(error: BaseException) -> bool:
    """Whether the same work can be run again at once."""
    return verdict_on(error) is Verdict.CONFLICT


def is_passing(error: BaseException) -> bool:
    """Whether the cause is expected to pass: a background loop tries again in a moment."""
    return verdict_on(error) is not Verdict.FAILED


def is_from_database(error: BaseException) -> bool:
    """Whether the database or its client raised `error`, and not a handler by itself."""
    ours = SQLAlchemyError | asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError | RowLocked
    return any(isinstance(each, ours) for each in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error`, and what it wraps."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "orig", None) or seen.__cause__
