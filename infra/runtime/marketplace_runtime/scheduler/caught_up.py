"""How far a service has caught up with its queues: what reached them before a deadline goes before that deadline.

An answer may lie in a queue, or be in a handler's hands, when the deadline for it comes due; after an outage of our own
that is the rule. So the moment of a check is noted, with what lies in each queue then. Once all of that is handled, the
service has caught up with that moment, and deadlines that were due by then can be run.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from marketplace_runtime.amqp import QueueConsumer
from marketplace_runtime.database import Database, is_passing
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

PAUSE_S = 0.25
"""After each time: a deadline may have to wait for something else."""


class CaughtUp:
    """Up to which moment of the database's clock everything that reached the service's queues has been handled.

    While the broker is away nobody can know what its queues hold: the moment stands still, and deadlines wait.
    """

    def __init__(self, database: Database, consumers: Sequence[QueueConsumer]) -> None:
        self._database, self._consumers = database, consumers
        self._wanted = asyncio.Event()
        self.until: datetime | None = None

    def want(self) -> None:
        """Catch up with the present: a deadline waits for it. The schedule is woken when that is done."""
        self._wanted.set()

    async def run(self) -> None:
        """Catch up whenever that is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                moment = await self._database.read_clock()
                await asyncio.gather(*(each.caught_up() for each in self._consumers))
            except Exception as error:
                if not is_passing(error):
                    raise
                log.debug("deadlines wait: database unavailable", error=repr(error))
            else:
                self.until = moment
                self._database.wake_ups.wake_scheduler()
            await asyncio.sleep(PAUSE_S)
