"""Isolates poison messages: messages that kill each process that handles them.

When a process dies, the broker counts a delivery of every message that the process had prefetched. So a high count
only makes a message a suspect. A suspect is run while no other handler or external call of its process runs. Each
such run is counted in the database before it begins. After `MAX_RUNS_ALONE` incomplete runs, the message
is dead-lettered without another run. When a harmless suspect has been handled, its counter is reset.
"""

import asyncio
import heapq
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from marketplace_runtime.consumer import poison_counter
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.consumer.transactions import Transactions

MAX_RUNS_ALONE = 3
PAUSE_PER_DEATH_S = 0.5


class RunAloneGate:
    """Lets many handlers of a process run concurrently, or one alone. All handlers of a process share one gate."""

    def __init__(self) -> None:
        self._inside = 0
        self._open, self._empty, self._alone_lock = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._open.set()
        self._empty.set()

    async def enter(self) -> None:
        """Enter beside others. Waits while a handler runs alone, or waits to do so."""
        while not self._open.is_set():
            await self._open.wait()
        self.enter_without_waiting()

    def enter_without_waiting(self) -> None:
        """Enter beside others at once. Only code that is inside may call this, for a task that it starts."""
        self._inside += 1
        self._empty.clear()

    def leave(self) -> None:
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Run the block alone. Waits until all others have left; nothing else enters until the block ends."""
        async with self._alone_lock:
            self._open.clear()
            try:
                await self._empty.wait()
                yield
            finally:
                self._open.set()


class Quarantine:
    """Hands out the suspects of one subscription one at a time, those with the fewest incomplete runs first.

    A run alone is incomplete if the process died during it. The pause before a suspect is handed out is
    `PAUSE_PER_DEATH_S` for each incomplete run. Meanwhile other prefetched messages arrive and go first. So if
    processes die for another reason, each death meets a different message, and no single one is blamed for all of them.
    """

    def __init__(self, subscription: str, transactions: Transactions) -> None:
        self._subscription, self._transactions = subscription, transactions
        self._new: list[Delivery] = []
        self._heap: list[tuple[int, float, float, Delivery]] = []
        """A heap of (incomplete runs, random tie-break, earliest start by the event loop's clock, delivery)."""
        self._arrived = asyncio.Event()
        self._rng = random.Random()  # noqa: S311 - a shuffle
        self._running = False

    @property
    def is_busy(self) -> bool:
        """Return whether a suspect is waiting or being run."""
        return bool(self._new or self._heap or self._running)

    def receive(self, delivery: Delivery) -> None:
        """Add a suspect."""
        self._new.append(delivery)
        self._arrived.set()

    async def next(self) -> tuple[Delivery, int]:
        """Wait for the next suspect. Returns it and its number of incomplete runs.

        It counts as being run until `release` is called.
        """
        while True:
            if not self._heap:
                await self._arrived.wait()
            self._arrived.clear()
            await self._read_counters()
            incomplete_runs, _, not_before, delivery = self._heap[0]
            pause_s = not_before - asyncio.get_running_loop().time()
            if pause_s <= 0:
                heapq.heappop(self._heap)
                self._running = True
                return delivery, incomplete_runs
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._arrived.wait()

    def release(self) -> None:
        """Mark the suspect that was handed out last as completed."""
        self._running = False

    async def count_run(self, delivery: Delivery) -> None:
        """Count a run of a suspect that is about to be run alone. A process that it kills could not count it later."""
        await self._transactions.commit_with_retries(
            partial(poison_counter.count_run, subscription=self._subscription, id=delivery.envelope.id)
        )

    async def _read_counters(self) -> None:
        """Read the counters of new suspects, and sort the suspects into the heap by them."""
        new = list(self._new)
        if not new:
            return
        ids = [each.envelope.id for each in new]
        runs_by_id = await self._transactions.commit_with_retries(
            partial(poison_counter.read_runs, subscription=self._subscription, ids=ids)
        )
        now = asyncio.get_running_loop().time()
        del self._new[: len(new)]  # only now: until then they must count as waiting
        for delivery in new:
            runs = runs_by_id.get(delivery.envelope.id, 0)
            heapq.heappush(self._heap, (runs, self._rng.random(), now + runs * PAUSE_PER_DEATH_S, delivery))
