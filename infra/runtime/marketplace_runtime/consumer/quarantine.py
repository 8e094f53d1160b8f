"""Poison: a message that kills the process which handles it, and would do so for ever.

The broker counts a death for every message that the process had prefetched, so its count only makes a
message suspect. A suspect runs while nothing else of the process does, and that run is written down before:
who dies alone so often is given up without being run again. Innocents are cleared when they are handled.
"""

import asyncio
import heapq
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from marketplace_runtime.consumer import poison_counter
from marketplace_runtime.consumer.delivery import Delivery

if TYPE_CHECKING:
    from marketplace_runtime.consumer.worker import Worker

RUNS_ALONE = 3
PAUSE_S = 0.5


class Gate:
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


class Isolation:
    """Runs the suspects of one subscription, one at a time: the least suspect first, the others after a pause.

    The pause lets the rest of what is prefetched arrive and go ahead. So deaths from outside meet another
    message each time, and none of many is blamed for all.
    """

    def __init__(self, worker: "Worker", run: Callable[[Delivery], Awaitable[None]]) -> None:
        self._worker, self._run = worker, run
        self._new: list[Delivery] = []
        self._line: list[tuple[int, float, float, Delivery]] = []
        """A heap of (deaths, chance, not before, delivery)."""
        self._arrived = asyncio.Event()
        self._chance = random.Random()  # noqa: S311 - a shuffle
        self._running = False

    @property
    def busy(self) -> bool:
        return bool(self._new or self._line or self._running)

    def receive(self, delivery: Delivery) -> None:
        self._new.append(delivery)
        self._arrived.set()

    async def run(self) -> None:
        """Run suspects until cancelled."""
        while True:
            if not self._line:
                await self._arrived.wait()
            self._arrived.clear()
            await self._look_up()
            deaths, _, not_before, delivery = self._line[0]
            pause_s = not_before - asyncio.get_running_loop().time()
            if pause_s > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._arrived.wait()
                continue
            heapq.heappop(self._line)
            self._running = True
            if not delivery.lost:
                await self._run_alone(delivery, deaths)
            self._running = False
            self._worker.note_idle()

    async def _look_up(self) -> None:
        """Take what arrived into the line, each behind those that fewer processes died of."""
        new = list(self._new)
        if not new:
            return
        ids = [each.envelope.id for each in new]
        deaths = await self._worker.commits.surely(
            partial(poison_counter.runs, subscription=self._worker.subscription.name, ids=ids)
        )
        now = asyncio.get_running_loop().time()
        del self._new[: len(new)]  # not before: what is looked up is not settled
        for delivery in new:
            died = deaths.get(delivery.envelope.id, 0)
            heapq.heappush(self._line, (died, self._chance.random(), now + died * PAUSE_S, delivery))

    async def _run_alone(self, delivery: Delivery, deaths: int) -> None:
        if deaths >= RUNS_ALONE:
            why = f"{deaths} processes died while they ran this event alone"
            await self._worker.aftermath.give_up(delivery, "poison", why)
            return
        name, id = self._worker.subscription.name, delivery.envelope.id
        async with self._worker.gate.alone():
            await self._worker.commits.surely(partial(poison_counter.count, subscription=name, id=id))
            await self._run(delivery)
