"""One clock for all processes of a service: its database's.

Machines disagree about the time of day, by seconds or more. What one process writes down and another compares with the
present therefore comes from here: the database's time when it was last asked, plus what has gone by since.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic, time
from uuid import UUID

from marketplace_runtime.database.ids import id_at, time_of
from marketplace_runtime.database.statements import Statements

NOW = "select clock_timestamp()"
DRIFT_S_PER_S = 0.001
"""How much an older reading is trusted less."""
LONGEST_ORDER = timedelta(minutes=1)
"""Ids stay in order while the clock goes back by less."""


class Clock:
    """The database's time, to within half a round trip. Before it was first read, it is this machine's."""

    def __init__(self) -> None:
        self._ahead_s: float | None = None
        """Of the monotonic clock, in seconds since the epoch."""
        self._read_at_s = self._error_s = 0.0
        self._last_id = UUID(int=0)

    def now(self) -> datetime:
        """Return the time without asking anybody. It may go back: by a reading's error, or if the clock was set."""
        return datetime.fromtimestamp(self._now_s(), UTC)

    def new_id(self) -> UUID:
        """Return a new UUIDv7 of this time. Later ones compare greater, unless the clock was set back by much."""
        id = id_at(self._now_s())
        if id <= self._last_id and time_of(self._last_id) - time_of(id) < LONGEST_ORDER:
            id = UUID(int=self._last_id.int + 1)
        self._last_id = id
        return id

    async def read(self, tx: Statements) -> datetime:
        """Return the time that the database tells.

        A less precise reading than the last does not count, unless it contradicts that one: then the clock was set.
        """
        before_s = monotonic()
        [(told,)] = await tx.execute(NOW)
        after_s = monotonic()
        error_s = (after_s - before_s) / 2
        known_to_s = self._error_s + DRIFT_S_PER_S * (after_s - self._read_at_s)
        ahead_s = told.timestamp() - (before_s + error_s)
        was_set = self._ahead_s is None or abs(ahead_s - self._ahead_s) > error_s + known_to_s
        if was_set or error_s <= known_to_s:
            self._ahead_s, self._read_at_s, self._error_s = ahead_s, before_s + error_s, error_s
        moment: datetime = told
        return moment

    def _now_s(self) -> float:
        return time() if self._ahead_s is None else monotonic() + self._ahead_s
