"""Tracks how far a service has caught up with its queues, since deadlines run after the messages that came before them.

When a deadline comes due, the message that it waits for may still be in a queue or in a handler. This is usual after
an outage of the service itself. So the service reads the database's clock, and waits until everything that each queue
holds at that time has been handled. It has then caught up with that time, and runs the deadlines that were due by then.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from marketplace_runtime.amqp import QueueConsumer
from marketplace_runtime.database import Database, is_transient
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

PAUSE_S = 0.25
"""Pause after each round. While a deadline waits for a retry, the scheduler requests one round after another."""


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
