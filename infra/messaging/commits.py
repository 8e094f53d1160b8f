"""Committing work on deliveries, over what a database does: outages are waited out, conflicts tried again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from infra.messaging.delivery import Delivery
from infra.storage import Database, Transaction, is_conflict, is_passing, is_unavailable
from infra.telemetry import get_logger, metrics

log = get_logger(__name__)

CONFLICT_RETRIES = 10
PROBE_S, PROBE_CAP_S = 0.1, 2.0
BLAMELESS_FAILURES = 3
"""So often in a row a "database is away" is believed although the database answers at once."""

T = TypeVar("T")
Apply = Callable[[Transaction, Sequence[Delivery]], Awaitable[None]]


class Commits:
    """The transactions of one subscription; `failed` hears of a delivery that can't be handled by itself."""

    def __init__(
        self, database: Database, queue: str, *, failed: Callable[[Delivery, BaseException], Awaitable[None]]
    ) -> None:
        self._database, self._queue, self._failed = database, queue, failed
        self._chance = random.Random()  # noqa: S311 - jitter
        self._seconds = metrics.process_duration.labels(queue)
        self.paused = False
        """Whether it waits for the database to come back."""

    async def each(
        self,
        deliveries: Sequence[Delivery],
        apply: Apply,
        *,
        then: Callable[[Sequence[Delivery]], Awaitable[None]],
    ) -> None:
        """Commit `apply` for all, or for each alone; then do what follows for those that succeeded.

        A failure of our own database is waited out. A conflict is tried again at once; neither spends an attempt.
        """
        conflicts = outages = 0
        while True:
            try:
                with self._seconds.time():
                    async with self._database.transaction() as tx:
                        await apply(tx, deliveries)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises becomes a decision here
                if is_unavailable(error) and outages < BLAMELESS_FAILURES:
                    outages += await self._wait_out(error)
                elif len(deliveries) > 1:
                    for delivery in deliveries:
                        await self.each([delivery], apply, then=then)
                    return
                elif is_conflict(error) and conflicts < CONFLICT_RETRIES:
                    conflicts += 1
                    await asyncio.sleep(self._chance.uniform(0, 0.01 * 2 ** min(conflicts, 6)))
                else:
                    await self._failed(deliveries[0], error)
                    return
            else:
                metrics.process_total.labels(self._queue, "committed").inc(len(deliveries))
                await then(deliveries)
                return

    async def surely(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Commit `work` of the runtime's own, however long the database is away, in conflict or too slow."""
        while True:
            try:
                async with self._database.transaction() as tx:
                    done = await work(tx)
            except Exception as error:
                if is_unavailable(error):
                    await self._wait_out(error)
                elif is_passing(error):
                    log.warning("put off: database in conflict or too slow", queue=self._queue, error=repr(error))
                    await asyncio.sleep(self._chance.uniform(0, PROBE_S))
                else:
                    raise
            else:
                return done

    async def _wait_out(self, error: BaseException) -> int:
        """Wait until the database takes a write again. Returns 1 if it did at once, so was not away at all."""
        log.warning("database away, consumption paused", queue=self._queue, error=repr(error))
        self._pause(True)
        try:
            for probe in range(10**9):
                try:
                    await self._database.ping()
                except Exception as still:
                    if not is_passing(still):
                        raise
                    await asyncio.sleep(
                        self._chance.uniform(PROBE_S / 2, min(PROBE_CAP_S, PROBE_S * 2 ** min(probe, 10)))
                    )
                else:
                    return 1 if probe == 0 else 0
        finally:
            self._pause(False)
        return 0

    def _pause(self, paused: bool) -> None:
        self.paused = paused
        metrics.consumption_paused.labels(self._queue).set(paused)
