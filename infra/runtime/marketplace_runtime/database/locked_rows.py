"""Remembers rows that another transaction keeps locked, so that later transactions do not wait for them in vain."""

import time
from collections.abc import Callable, Iterable
from typing import Any

LOCKED_ROW_TTL_S = 4.0
"""Seconds for which a row counts as locked. The next transaction then waits for the lock again, up to its timeout."""


class RowLocked(Exception):
    """Another transaction keeps a row locked that this work needs. Run it again later."""


class LockedRows:
    """Keeps the rows of one service's database that were found locked a moment ago."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[type, Any], float] = {}

    def check(self, entity: type, keys: Iterable[Any]) -> None:
        """Raise `RowLocked` if one of these rows was found locked less than `LOCKED_ROW_TTL_S` ago."""
        if not self._until:
            return
        now = self._clock()
        for key in keys:
            until = self._until.get((entity, key))
            if until is None:
                continue
            if now < until:
                raise RowLocked(f"{entity.__name__} {key} is locked by another transaction")
            del self._until[entity, key]

    def remember(self, entity: type, keys: Iterable[Any]) -> None:
        """Note that these rows were found locked just now."""
        now = self._clock()
        self._until = {row: until for row, until in self._until.items() if now < until}
        self._until.update({(entity, key): now + LOCKED_ROW_TTL_S for key in keys})
