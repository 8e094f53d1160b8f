"""Runs what is due: retries and deadlines, through the same path as a fresh delivery."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from infra.messaging.delivery import from_entry
from infra.messaging.errors import Invalid
from infra.messaging.worker import Worker
from infra.storage import Database, is_conflict, is_unavailable, presence, schedule
from infra.telemetry import get_logger

log = get_logger(__name__)

POLL_S = 1.0
"""The longest wait: another replica may have scheduled something."""
LEASE = timedelta(seconds=60)
TAKE = 200


class Scheduler:
    """Feeds due entries of the service's schedule to its workers."""

    def __init__(self, database: Database, workers: Mapping[str, Worker]) -> None:
        self._database, self._workers = database, workers
        self._free_at = 0.0

    async def run(self) -> None:
        """Look for due entries until cancelled; an absent database is waited for."""
        while True:
            try:
                wait_s = await self._take()
            except Exception as error:
                if not (is_unavailable(error) or is_conflict(error)):
                    raise
                log.warning("scheduler: database away or in conflict", error=repr(error))
                wait_s = POLL_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._database.schedule_ready.wait()

    async def _take(self) -> float:
        """Lease and hand over what is due. Returns how long to wait for more, in seconds."""
        self._database.schedule_ready.clear()
        ready = [name for name, worker in self._workers.items() if worker.backlog < worker.subscription.batch]
        async with self._database.transaction() as tx:
            if asyncio.get_running_loop().time() >= self._free_at:
                await presence.free_what_the_dead_hold(tx)
                self._free_at = asyncio.get_running_loop().time() + POLL_S
            entries = await schedule.take(tx, ready, TAKE, LEASE)
            due_s = await schedule.next_due_s(tx)
        for entry in entries:
            worker = self._workers[entry.subscription]
            try:
                worker.receive(from_entry(entry, worker.subscription))
            except Invalid as unknown:
                log.error("scheduled event is not heard here any more", type=entry.envelope.type, error=str(unknown))
        if len(entries) == TAKE:
            return 0.01
        return POLL_S if due_s is None else min(POLL_S, max(0.01, due_s))
