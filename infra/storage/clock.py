"""One clock for all processes of a service: its database's.

Machines disagree about the time of day, by seconds or more. What one process writes down and another compares with the
present therefore comes from here: the database's time when it was last asked, plus what has gone by since.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.storage.transaction import Transaction

NOW = "select clock_timestamp()"
DRIFT_S_PER_S = 0.001
"""How much an older reading is trusted less. So a clock that was set anew is noticed, too."""


class Clock:
    """The database's time, to within half a round trip. Before it was first read, it is this machine's."""

    def __init__(self) -> None:
        self._base: datetime | None = None
        self._read_at_s = self._error_s = 0.0

    def now(self) -> datetime:
        """Return the time without asking anybody. Between two calls it may go back by a reading's error."""
        if self._base is None:
            return datetime.now(UTC)
        return self._base + timedelta(seconds=monotonic() - self._read_at_s)

    async def read(self, tx: "Transaction") -> None:
        """Ask the database. Of two readings the more precise one counts, as long as it is recent."""
        before_s = monotonic()
        [(told,)] = await tx.execute(NOW)
        after_s = monotonic()
        error_s = (after_s - before_s) / 2
        if self._base is None or error_s <= self._error_s + DRIFT_S_PER_S * (after_s - self._read_at_s):
            self._base, self._read_at_s, self._error_s = told, before_s + error_s, error_s
