"""Committing work on deliveries: outages are waited out, conflicts run again, and locked-out work is set aside."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database.database import Database
from marketplace_runtime.database.errors import (
    Verdict,
    is_from_database,
    is_passing,
    is_unavailable,
    sqlstate,
    verdict_on,
)
from marketplace_runtime.database.transaction import Transaction
from marketplace_runtime.telemetry import get_logger, metrics

log = get_logger(__name__)

CONFLICT_RETRIES = 10
PROBE_S, PROBE_CAP_S = 0.1, 2.0
BLAMELESS_FAILURES = 3
"""How often in a row work may report "database unavailable" although the database accepts a write at once."""
UNIQUE_VIOLATION = "23505"
"""It may be a conflict with another transaction, or what the message itself asks for."""

T = TypeVar("T")
Apply = Callable[[Transaction, Sequence[Delivery]], Awaitable[None]]


class Commits:
    """The transactions of one subscription.

    `failed` is told of a delivery that can't be handled, which counts as an attempt; `set_aside` of deliveries that
    the database kept from being handled, which does not.
    """

    def __init__(
        self,
        database: Database,
        queue: str,
        *,
        failed: Callable[[Delivery, BaseException], Awaitable[None]],
        set_aside: Callable[[Sequence[tuple[Delivery, BaseException]]], Awaitable[None]],
    ) -> None:
        self._database, self._queue, self._failed, self._set_aside = database, queue, failed, set_aside
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

        The verdict on an error decides: an unavailable database is waited for, a conflict is run again at once, and
        who finds the database busy is set aside. None of these spends an attempt.
        """
        busy: list[tuple[Delivery, BaseException]] = []
        error = await self._commit(
            deliveries, apply, then, most_outages=BLAMELESS_FAILURES if len(deliveries) == 1 else 1
        )
        if error is not None:
            for delivery in deliveries:
                if len(deliveries) > 1:
                    error = await self._commit([delivery], apply, then, most_outages=BLAMELESS_FAILURES)
                if error is not None and _is_blameless(error):
                    busy.append((delivery, error))
                elif error is not None:
                    await self._failed(delivery, error)
        if busy:
            await self._set_aside(busy)

    async def _commit(
        self,
        deliveries: Sequence[Delivery],
        apply: Apply,
        then: Callable[[Sequence[Delivery]], Awaitable[None]],
        *,
        most_outages: int,
    ) -> BaseException | None:
        """Commit `apply` for all, then do what follows. Returns the error that stands in the way, if there is one."""
        conflicts = outages = 0
        while True:
            try:
                with self._seconds.time():
                    async with self._database.transaction() as tx:
                        await apply(tx, deliveries)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises becomes a decision
                verdict = verdict_on(error)
                if verdict is Verdict.UNAVAILABLE and outages < most_outages:
                    outages += await self._wait_out(error)
                elif verdict is Verdict.CONFLICT and len(deliveries) == 1 and conflicts < CONFLICT_RETRIES:
                    conflicts += 1
                    await asyncio.sleep(self._chance.uniform(0, 0.01 * 2 ** min(conflicts, 6)))
                else:
                    return error
            else:
                metrics.process_total.labels(self._queue, "committed").inc(len(deliveries))
                await then(deliveries)
                return None

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


def _is_blameless(error: BaseException) -> bool:
    """Whether the infrastructure is the cause. What a handler itself raises is a failure, whatever its kind."""
    return verdict_on(error) is not Verdict.FAILED and is_from_database(error) and sqlstate(error) != UNIQUE_VIOLATION
