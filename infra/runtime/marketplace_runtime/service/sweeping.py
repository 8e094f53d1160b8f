"""Runs sweeps: periodic searches for stuck work, such as an order whose deadline was lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from marketplace_runtime.database import Database, Transaction, is_transient, with_declaration
from marketplace_runtime.service import metrics
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

Sweep = Callable[[Transaction], Awaitable[int]]
"""Restarts a bounded number of stuck items in one transaction, and returns their number.

It runs in every replica, and may run in several at once.
"""


async def sweep(database: Database, sweeps: Sequence[Sweep], every_s: float) -> None:
    """Run the sweeps one after the other, about every `every_s` seconds, until cancelled.

    A sweep that fails is logged and runs again next time.
    """
    declared = [with_declaration(each) for each in sweeps]  # without `@publishes`, a sweep must not publish
    while True:
        for each in declared:
            try:
                async with database.transaction() as tx:
                    found = await each(tx)
            except Exception as error:
                unexpected_error = None if is_transient(error) else error
                log.warning("sweep failed", sweep=each.__name__, error=repr(error), exc_info=unexpected_error)
            else:
                if found:
                    metrics.swept_total.labels(each.__name__).inc(found)
                    log.warning("sweep restarted stuck work", sweep=each.__name__, found=found)
        await asyncio.sleep(every_s * random.uniform(0.8, 1))  # noqa: S311 - spreads the sweeps of the replicas
