"""Limits how many concurrent calls one callee can occupy."""

import asyncio
from types import TracebackType

from marketplace_runtime.resilience import metrics
from marketplace_runtime.resilience.deadline import cap_to_deadline
from marketplace_runtime.resilience.errors import BulkheadFull, NoTimeLeft


class Bulkhead:
    """Admits at most `limit` calls at once: `async with bulkhead:`.

    Further calls wait, in order of arrival, for `max_wait_s` or for the rest of the deadline, whichever is shorter.
    Then it raises `BulkheadFull`.
    """

    def __init__(self, name: str, limit: int, *, max_wait_s: float = 1.0) -> None:
        self._name = name
        self._max_wait_s = max_wait_s
        self._slots = asyncio.Semaphore(limit)
        self._in_use = metrics.bulkhead_in_use.labels(name)
        metrics.bulkhead_limit.labels(name).set(limit)
        self._refused = metrics.bulkhead_refused_total.labels(name)

    async def __aenter__(self) -> None:
        try:
            if self._slots.locked():
                async with asyncio.timeout(cap_to_deadline(self._max_wait_s)):
                    await self._slots.acquire()
            else:
                await self._slots.acquire()
        except (TimeoutError, NoTimeLeft):
            self._refused.inc()
            raise BulkheadFull(f"{self._name}: too many calls are under way, and none ended in time") from None
        self._in_use.inc()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._in_use.dec()
        self._slots.release()
