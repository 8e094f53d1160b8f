"""Provides one clock for all processes of a service: that of its database.

The clocks of machines differ by seconds or more. So every time that one process stores and another compares with the
current time comes from here. It is the database's time at the last reading, plus the time elapsed since then.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic, time
from uuid import UUID

from marketplace_runtime.database.ids import id_at, time_of
from marketplace_runtime.database.statements import StatementExecutor

NOW = "select clock_timestamp()"
DRIFT_S_PER_S = 0.001
"""Seconds by which a reading becomes less precise for each second of its age."""
MAX_SETBACK = timedelta(minutes=1)
"""New ids stay in order if the clock goes back by less than this."""


class Clock:
    """Returns the database's time, accurate to half a round trip.

    Before the first reading, it returns this machine's time.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        """The database's time since the epoch minus the monotonic clock. None before the first reading."""
        self._read_at_s = self._error_s = 0.0
        self._last_id = UUID(int=0)

    def now(self) -> datetime:
        """Return the time without a query.

        It may go back by the error of a reading, or if the database's clock was set.
        """
        return datetime.fromtimestamp(self._now_s(), UTC)

    def new_id(self) -> UUID:
        """Return a new UUIDv7. Later ones compare greater, unless the clock goes back by `MAX_SETBACK` or more."""
        id = id_at(self._now_s())
        if id <= self._last_id and time_of(self._last_id) - time_of(id) < MAX_SETBACK:
            id = UUID(int=self._last_id.int + 1)
        self._last_id = id
        return id

    async def read(self, tx: StatementExecutor) -> datetime:
        """Query the database's time, and return it.

        The clock keeps its last reading if that is still more precise than the new one. If the two contradict each
        other, the database's clock was set, and the new reading counts.
        """
        before_s = monotonic()
        [(read_time,)] = await tx.execute(NOW)
        after_s = monotonic()
        error_s = (after_s - before_s) / 2
        previous_error_s = self._error_s + DRIFT_S_PER_S * (after_s - self._read_at_s)
        offset_s = read_time.timestamp() - (before_s + error_s)
        was_set = self._offset_s is None or abs(offset_s - self._offset_s) > error_s + previous_error_s
        if was_set or error_s <= previous_error_s:
            self._offset_s, self._read_at_s, self._error_s = offset_s, before_s + error_s, error_s
        moment: datetime = read_time
        return moment

    def _now_s(self) -> float:
        return time() if self._offset_s is None else monotonic() + self._offset_s
