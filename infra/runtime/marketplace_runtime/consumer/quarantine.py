"""Poison: a message that kills the process which handles it, and would do so for ever.

The broker counts a death for every message that the process had prefetched, so its count only makes a
message suspect. A suspect runs while nothing else of the process does, and that run is written down before:
who dies alone so often is given up without being run again. Innocents are cleared when they are handled.
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

RUNS_ALONE = 3
PAUSE_S = 0.5


class RunAloneGate:
    """Lets in any number side by side, or one alone; one for all handlers of a process."""

    def __init__(self) -> None:
        self._inside = 0
        self._open, self._empty, self._one = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._open.set()
        self._empty.set()

    async def enter(self) -> None:
        """Go in beside the others; waits while somebody is alone inside, or is about to be."""
        while not self._open.is_set():
            await self._open.wait()
        self.join()

    def join(self) -> None:
        """Be one more, as somebody who is inside may ask for."""
        self._inside += 1
        self._empty.clear()

    def leave(self) -> None:
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Nobody else is inside until the block ends."""
        async with self._one:
            self._open.clear()
            try:
                await self._empty.wait()
                yield
            finally:
                self._open.set()


class Quarantine:
    """The suspects of one subscription, handed out one at a time: the least suspect first, the others after a pause.

    The pause lets the rest of what is prefetched arrive and go ahead. So deaths from outside meet another
    message each time, and none of many is blamed for all.
    """

    def __init__(self, subscription: str, transactions: Transactions) -> None:
        self._subscription, self._transactions = subscription, transactions
        self._new: list[Delivery] = []
        self._line: list[tuple[int, float, float, Delivery]] = []
        """A heap of (deaths, chance, not before, delivery)."""
        self._arrived = asyncio.Event()
        self._chance = random.Random()  # noqa: S311 - a shuffle
        self._running = False

    @property
    def busy(self) -> bool:
        """Whether a suspect waits here or is being run."""
        return bool(self._new or self._line or self._running)

    def receive(self, delivery: Delivery) -> None:
        """Take a suspect in."""
        self._new.append(delivery)
        self._arrived.set()

    async def next(self) -> tuple[Delivery, int]:
        """Wait for the next suspect. Returns it, with how many processes died while they ran it alone.

        It counts as being run until `release`.
        """
        while True:
            if not self._line:
                await self._arrived.wait()
            self._arrived.clear()
            await self._look_up()
            deaths, _, not_before, delivery = self._line[0]
            pause_s = not_before - asyncio.get_running_loop().time()
            if pause_s <= 0:
                heapq.heappop(self._line)
                self._running = True
                return delivery, deaths
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._arrived.wait()

    def release(self) -> None:
        """The suspect that was handed out last is settled."""
        self._running = False

    async def count_run(self, delivery: Delivery) -> None:
        """Note that a suspect will be run alone now: who dies of it cannot do so afterwards."""
        await self._transactions.surely(
            partial(poison_counter.count, subscription=self._subscription, id=delivery.envelope.id)
        )

    async def _look_up(self) -> None:
        """Take what arrived into the line, each behind those that fewer processes died of."""
        new = list(self._new)
        if not new:
            return
        ids = [each.envelope.id for each in new]
        deaths = await self._transactions.surely(partial(poison_counter.runs, subscription=self._subscription, ids=ids))
        now = asyncio.get_running_loop().time()
        del self._new[: len(new)]  # not before: what is looked up is not settled
        for delivery in new:
            died = deaths.get(delivery.envelope.id, 0)
            heapq.heappush(self._line, (died, self._chance.random(), now + died * PAUSE_S, delivery))
