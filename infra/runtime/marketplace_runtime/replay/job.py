"""Runs the replays of one service, each on one replica at a time.

The row of a replay (see `table`) names the process that runs it. If that process dies, another takes the replay over,
as with claims and leases, and continues where the row says. Messages between that place and the crash are handed over
again, and the inbox detects those that were handled.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from marketplace_runtime.amqp import QueueConsumer, keep_connected
from marketplace_runtime.consumer import Worker
from marketplace_runtime.database import Database, Transaction, is_passing
from marketplace_runtime.events import Naming
from marketplace_runtime.replay import table
from marketplace_runtime.replay.reader import ReplayReader
from marketplace_runtime.replay.table import Replay
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

REPLAY_RATE = 1000
"""Default limit of events per second that a replay hands to its subscription."""
POLL_S = 1.0


class Replays:
    """Replays the log to subscriptions on request, and lets their live events wait if a replay requires it."""

    def __init__(
        self,
        *,
        service: str,
        database: Database,
        broker_url: str,
        workers: Mapping[str, Worker],
        fed: Mapping[str, QueueConsumer],
        rate: int,
        naming: Naming,
    ) -> None:
        """`fed` are the consumers of all subscriptions that receive events from the broker, by subscription."""
        self._service, self._database, self._url, self._rate = service, database, broker_url, rate
        self._workers, self._fed, self._naming = workers, fed, naming
        subscriptions = [workers[name].subscription for name in fed]
        self._unfilled = {each.name: each.types for each in subscriptions if each.history == "first"}
        self._fed_now: set[UUID] = set()
        self._stop, self._changed = asyncio.Event(), asyncio.Event()
        for name in self._unfilled:
            fed[name].hold(True)

    def stop(self) -> None:
        """Hand over nothing more. `run` returns once all messages that were handed over are acknowledged."""
        self._stop.set()
        self._changed.set()

    async def run(self) -> None:
        """Find replays and run them until `stop` is called. Waits while the database is unavailable."""
        async with asyncio.TaskGroup() as feeding:
            while not self._stop.is_set():
                self._changed.clear()
                try:
                    taken = await self._look()
                except Exception as error:
                    if not is_passing(error):
                        raise
                    log.warning("replays wait: database unavailable, in conflict or too slow", error=repr(error))
                else:
                    for replay in taken:
                        self._fed_now.add(replay.id)
                        feeding.create_task(self._feed(replay))
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._changed.wait()

    async def _look(self) -> list[Replay]:
        names = list(self._fed)
        async with self._database.transaction() as tx:
            if self._unfilled:
                await table.fill(tx, self._unfilled)
            taken = await table.take(tx, names, self._fed_now)
            holding = await table.holding(tx, names)
        self._unfilled = {}
        for name, consumer in self._fed.items():
            consumer.hold(name in holding)
        return taken

    async def _feed(self, replay: Replay) -> None:
        worker, queue = self._workers[replay.subscription], self._naming.queue(self._service, replay.subscription)
        log.info("replay begins", replay_to=queue, types=list(replay.types), at=replay.next, deaths=replay.deaths)
        feed = ReplayReader(
            replay, worker, queue=queue, stream=self._naming.log_stream, rate=self._rate, stop=self._stop
        )
        await keep_connected(self._url, f"{self._service} replays", feed.run)
        self._changed.set()

        async def leave(tx: Transaction) -> None:
            await table.leave(tx, replay.id)

        await worker.transactions.commit_with_retries(leave)
        self._fed_now.discard(replay.id)
