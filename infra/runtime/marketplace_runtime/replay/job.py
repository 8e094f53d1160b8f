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
from marketplace_runtime.database import Database, Transaction, is_transient
from marketplace_runtime.events import Naming
from marketplace_runtime.replay import table
from marketplace_runtime.replay.reader import ReplayReader
from marketplace_runtime.replay.table import Replay
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

REPLAY_RATE = 1000
"""Default limit of events per second that a replay hands to its subscription."""
POLL_S = 1.0


class ReplayRunner:
    """Replays the log to subscriptions on request, and lets their live events wait if a replay requires it."""

    def __init__(
        self,
        *,
        service: str,
        database: Database,
        broker_url: str,
        workers: Mapping[str, Worker],
        consumers: Mapping[str, QueueConsumer],
        rate: int,
        naming: Naming,
    ) -> None:
        """`consumers` are the consumers of all subscriptions that receive events from the broker, by subscription."""
        self._service, self._database, self._url, self._rate = service, database, broker_url, rate
        self._workers, self._consumers, self._naming = workers, consumers, naming
        subscriptions = [workers[name].subscription for name in consumers]
        self._first_replays = {each.name: each.types for each in subscriptions if each.history == "first"}
        self._running: set[UUID] = set()
        self._stop, self._wake_up = asyncio.Event(), asyncio.Event()
        for name in self._first_replays:
            consumers[name].set_paused(True)

    def stop(self) -> None:
        """Hand over nothing more. `run` returns once all messages that were handed over are acknowledged."""
        self._stop.set()
        self._wake_up.set()

    async def run(self) -> None:
        """Find replays and run them until `stop` is called. Waits while the database is unavailable."""
        async with asyncio.TaskGroup() as tasks:
            while not self._stop.is_set():
                self._wake_up.clear()
                try:
                    taken = await self._take_over()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    log.warning("replays wait: database unavailable, in conflict or too slow", error=repr(error))
                else:
                    for replay in taken:
                        self._running.add(replay.id)
                        tasks.create_task(self._run_replay(replay))
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._wake_up.wait()

    async def _take_over(self) -> list[Replay]:
        names = list(self._consumers)
        async with self._database.transaction() as tx:
            if self._first_replays:
                await table.begin_first(tx, self._first_replays)
            taken = await table.take_over(tx, names, self._running)
            held = await table.find_held(tx, names)
        self._first_replays = {}
        for name, consumer in self._consumers.items():
            consumer.set_paused(name in held)
        return taken

    async def _run_replay(self, replay: Replay) -> None:
        worker, queue = self._workers[replay.subscription], self._naming.queue(self._service, replay.subscription)
        log.info("replay begins", replay_to=queue, types=list(replay.types), at=replay.next, deaths=replay.deaths)
        reader = ReplayReader(
            replay, worker, queue=queue, stream=self._naming.log_stream, rate=self._rate, stop=self._stop
        )
        await keep_connected(self._url, f"{self._service} replays", reader.run)
        self._wake_up.set()

        async def release(tx: Transaction) -> None:
            await table.release(tx, replay.id)

        await worker.transactions.commit_with_retries(release)
        self._running.discard(replay.id)
