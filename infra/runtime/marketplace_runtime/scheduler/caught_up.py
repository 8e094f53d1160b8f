"""Tracks how far a service has caught up with its queues. A deadline runs after what reached them before it was due.

When a deadline comes due, the message that it waits for may still be in a queue or in a handler. After an outage of
the service itself this is the rule. So the service takes the time, and waits until everything that is in each queue
then has been handled. It has then caught up with that time, and deadlines that were due by then can run.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from marketplace_runtime.amqp import QueueConsumer
from marketplace_runtime.database import Database, is_transient
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

PAUSE_S = 0.25
"""Pause after each round: a deadline may have to wait for something else, and would ask again at once."""


class CatchUpTracker:
    """Tracks the time up to which everything that reached the service's queues has been handled.

    `until` is that time by the database's clock; None before the first round. While the broker is unavailable, the
    contents of its queues are unknown: `until` does not advance, and deadlines wait.
    """

    def __init__(self, database: Database, consumers: Sequence[QueueConsumer]) -> None:
        self._database, self._consumers = database, consumers
        self._requested = asyncio.Event()
        self.until: datetime | None = None

    def request_catch_up(self) -> None:
        """Request to catch up with the present, because a deadline waits. Wakes the scheduler when that is done."""
        self._requested.set()

    async def run(self) -> None:
        """Catch up whenever `request_catch_up` was called, until cancelled."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            try:
                moment = await self._database.read_clock()
                await asyncio.gather(*(each.wait_until_caught_up() for each in self._consumers))
            except Exception as error:
                if not is_transient(error):
                    raise
                log.debug("deadlines wait: database unavailable", error=repr(error))
            else:
                self.until = moment
                self._database.wake_ups.wake_scheduler()
            await asyncio.sleep(PAUSE_S)
