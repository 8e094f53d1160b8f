"""Creates partitions, deletes old rows, updates gauges and synchronizes with the database's clock."""

import asyncio
from collections.abc import Coroutine
from math import nan
from typing import Any

from marketplace_runtime.database import Database, drop_partitions, is_transient, make_partitions
from marketplace_runtime.dead_letters import metrics as dead_letters_metrics
from marketplace_runtime.dead_letters import table as dead_letters_table
from marketplace_runtime.http import idempotency_table
from marketplace_runtime.outbox import metrics as outbox_metrics
from marketplace_runtime.scheduler import metrics as scheduler_metrics
from marketplace_runtime.service import operator_queries as queries
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

MAINTENANCE_INTERVAL_S, MAINTENANCE_RETRY_S = 3600.0, 1.0
"""Interval of `run_maintenance`, and its pause before another attempt if it had to be postponed."""
SAMPLE_INTERVAL_S = 1.0
"""Interval at which the gauges are updated."""
SAMPLE_TIMEOUT_S = 3.0
"""Timeout of one update."""
GAUGES = {
    "pending": outbox_metrics.outbox_pending,
    "oldest_s": outbox_metrics.outbox_oldest,
    "scheduled": scheduler_metrics.scheduled_pending,
    "dead": dead_letters_metrics.dead_letters,
    "retrying": scheduler_metrics.retries_pending,
    "retrying_oldest_s": scheduler_metrics.retries_oldest,
}
"""The gauges, by the column of `count_backlog` that each shows."""


async def run_maintenance(database: Database, retention_days: int) -> None:
    """Create partitions ahead of time and delete old rows, until cancelled."""
    while True:
        is_done = await _run_or_postpone(_maintain(database, retention_days))
        await asyncio.sleep(MAINTENANCE_INTERVAL_S if is_done else MAINTENANCE_RETRY_S)


async def sample_gauges(database: Database) -> None:
    """Update the gauges and synchronize with the database's clock, until cancelled."""
    while True:
        if not await _run_or_postpone(_sample(database)):
            for gauge in GAUGES.values():
                gauge.set(nan)  # unknown: report NaN rather than the last value
        await asyncio.sleep(SAMPLE_INTERVAL_S)


async def _run_or_postpone(work: Coroutine[Any, Any, None]) -> bool:
    """Run `work`. Logs and returns False if the database is unavailable or too slow, or a transaction conflicts."""
    try:
        await work
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning(
            "maintenance or sampling postponed: database unavailable or too slow, or transaction conflict",
            error=repr(error),
        )
        return False
    return True


async def _maintain(database: Database, retention_days: int) -> None:
    async with database.transaction() as tx:
        await make_partitions(tx)
    await drop_partitions(database, retention_days)
    await dead_letters_table.delete_old_settled(database, retention_days)
    await idempotency_table.delete_old_answers(database, retention_days)


async def _sample(database: Database) -> None:
    async with asyncio.timeout(SAMPLE_TIMEOUT_S), database.transaction() as tx:
        await tx.clock.read(tx)
        counts = await queries.count_backlog(tx)
    for name, gauge in GAUGES.items():
        gauge.set(counts[name])
