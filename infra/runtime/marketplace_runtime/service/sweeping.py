"""Sweeps: at times each service looks for what waits, but for nothing that will ever happen."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from marketplace_runtime.database import Database, Transaction, is_passing, with_declaration
from marketplace_runtime.service import metrics
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

Sweep = Callable[[Transaction], Awaitable[int]]
"""Sets going, in one transaction, a bounded number of things that got stuck, and returns how many it did.

Runs in each replica, also in several at once.
"""


async def sweep(database: Database, sweeps: Sequence[Sweep], every_s: float) -> None:
    """Run the sweeps one after the other, about every `every_s`, until cancelled; one that fails is tried again."""
    while True:
        for each in sweeps:
            try:
                async with database.transaction() as tx:
                    found = await with_declaration(each)(tx)
            except Exception as error:
                failed = None if is_passing(error) else error
                log.warning("sweep put off", sweep=each.__name__, error=repr(error), exc_info=failed)
            else:
                if found:
                    metrics.swept_total.labels(each.__name__).inc(found)
                    log.warning("set going again what got stuck", sweep=each.__name__, found=found)
        await asyncio.sleep(every_s * random.uniform(0.8, 1))  # noqa: S311 - replicas need not go in step
