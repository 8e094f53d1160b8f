"""Runs the stages of a batch in a transaction. Decides what to do if the transaction fails."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from marketplace_runtime.consumer import metrics
from marketplace_runtime.consumer.batch import Batch, Stage
from marketplace_runtime.consumer.decisions import Outcome
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.consumer.failure_policy import FailurePolicy
from marketplace_runtime.database import (
    Database,
    ErrorKind,
    Transaction,
    classify_error,
    is_from_database,
    is_transient,
    is_unavailable,
    sqlstate,
)
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

MAX_CONFLICT_RETRIES = 10
BASE_PROBE_DELAY_S, MAX_PROBE_DELAY_S = 0.1, 2.0
"""Upper limits of the random delay before another probe of an unavailable database.

The limit is `BASE_PROBE_DELAY_S` at first, and doubles with each probe until it is `MAX_PROBE_DELAY_S`.
"""
MAX_FALSE_OUTAGES = 3
"""Number of false outages after which a delivery is postponed, rather than run again at once.

A false outage is a "database unavailable" error right after which the database accepts a write.
"""
UNIQUE_VIOLATION = "23505"
"""SQLSTATE of a unique violation. Its cause may be a concurrent transaction, or the message itself."""

T = TypeVar("T")


class Transactions:
    """Runs the transactions of one subscription. Waits while the database is unavailable, and retries conflicts."""

    def __init__(self, database: Database, queue: str, policy: FailurePolicy) -> None:
        self._database, self._queue, self._policy = database, queue, policy
        self._rng = random.Random()  # noqa: S311 - jitter
        self._duration = metrics.process_duration.labels(queue)
        self.is_paused = False
        """Whether the subscription waits for the database to accept writes again."""

    async def run(self, deliveries: Sequence[Delivery], stage: Stage) -> AsyncGenerator[Outcome]:
        """Run `stage` for all deliveries in one transaction, or for each in its own if that fails.

        Yields the outcome of each transaction. Waits while the database is unavailable, and retries a conflict at once.
        Postpones a delivery if rows are locked or the database is too slow. None of these counts as an attempt; any
        other error does.
        """
        result = await self._run_stage(
            deliveries, stage, max_false_outages=MAX_FALSE_OUTAGES if len(deliveries) == 1 else 1
        )
        if isinstance(result, Outcome):
            yield result
            return
        busy: list[tuple[Delivery, BaseException]] = []
        for delivery in deliveries:
            if len(deliveries) > 1:
                result = await self._run_stage([delivery], stage, max_false_outages=MAX_FALSE_OUTAGES)
            if isinstance(result, Outcome):
                yield result
            elif _is_database_fault(result):
                busy.append((delivery, result))
            else:
                yield Outcome(decisions=[(delivery, self._policy.decide(delivery, result))])
        if busy:
            yield Outcome(decisions=self._policy.postpone_busy(busy))

    async def _run_stage(
        self, deliveries: Sequence[Delivery], stage: Stage, *, max_false_outages: int
    ) -> Outcome | BaseException:
        """Run `stage` in a transaction. Returns the outcome, or the error that prevents the commit."""
        conflicts = false_outages = 0
        while True:
            batch = Batch(deliveries)
            try:
                with self._duration.time():
                    async with self._database.transaction() as tx:
                        await stage(tx, batch)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises becomes a decision
                kind = classify_error(error)
                if kind is ErrorKind.UNAVAILABLE and false_outages < max_false_outages:
                    false_outages += await self._wait_for_database(error)
                elif kind is ErrorKind.CONFLICT and len(deliveries) == 1 and conflicts < MAX_CONFLICT_RETRIES:
                    conflicts += 1
                    await asyncio.sleep(self._rng.uniform(0, 0.01 * 2 ** min(conflicts, 6)))
                else:
                    return error
            else:
                metrics.process_total.labels(self._queue, "committed").inc(len(deliveries))
                return batch.outcome

    async def commit_with_retries(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction, and return its result. Not for handlers: it makes no decision about a delivery.

        Retries as long as the database is unavailable, in conflict or too slow. Raises any other error.
        """
        while True:
            try:
                async with self._database.transaction() as tx:
                    done = await work(tx)
            except Exception as error:
                if is_unavailable(error):
                    await self._wait_for_database(error)
                elif is_transient(error):
                    log.warning("retrying: database in conflict or too slow", queue=self._queue, error=repr(error))
                    await asyncio.sleep(self._rng.uniform(0, BASE_PROBE_DELAY_S))
                else:
                    raise
            else:
                return done

    async def _wait_for_database(self, error: BaseException) -> int:
        """Wait until the database accepts a write. Returns 1 if it does at once: `error` was a false outage. Else 0."""
        log.warning("database unavailable, consumer paused", queue=self._queue, error=repr(error))
        self._pause(True)
        try:
            for probe in range(10**9):
                try:
                    await self._database.probe_write()
                except Exception as probe_error:
                    if not is_transient(probe_error):
                        raise
                    await asyncio.sleep(
                        self._rng.uniform(
                            BASE_PROBE_DELAY_S / 2, min(MAX_PROBE_DELAY_S, BASE_PROBE_DELAY_S * 2 ** min(probe, 10))
                        )
                    )
                else:
                    return 1 if probe == 0 else 0
        finally:
            self._pause(False)
        return 0

    def _pause(self, paused: bool) -> None:
        self.is_paused = paused
        metrics.consumption_paused.labels(self._queue).set(paused)


def _is_database_fault(error: BaseException) -> bool:
    """Return whether the database caused the error, and not the message.

    False for an error of the handler's own code.
    """
    return (
        classify_error(error) is not ErrorKind.FAILED
        and is_from_database(error)
        and sqlstate(error) != UNIQUE_VIOLATION
    )
