"""Runs external calls side by side, with no transaction open, and hands over what came of each."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from marketplace_runtime.resilience import within

LEASE = timedelta(seconds=60)
"""How long a claim holds if its process neither finishes nor dies: to wait for a place, to call, and to record."""
PLACE_WITHIN_S = 20.0
"""Who gets a place later than this after the claim does not call: the lease might end before the answer is recorded."""
CALL_TIMEOUT_S = 30.0

Job = TypeVar("Job")


class NoPlaceInTime(Exception):
    """The call had to wait so long for a place that its claim does not cover it any more."""


@dataclass(frozen=True, slots=True)
class Ended(Generic[Job]):
    """A call that ended: with an answer, or with an error that leaves its outcome unknown."""

    key: UUID
    job: Job
    answer: Any = None
    error: BaseException | None = None


class CallPool(Generic[Job]):
    """Calls that one subscription has under way in this process, one per key at most: `concurrency` run at once.

    More than `concurrency + waiting` under way is crowded: further ones would only wait their claims away.
    """

    def __init__(self, *, concurrency: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._most = concurrency + waiting
        self._ended: asyncio.Queue[Ended[Job]] = asyncio.Queue()
        self._running = asyncio.TaskGroup()
        self._held: defaultdict[UUID, list[Job]] = defaultdict(list)
        self.under_way: set[UUID] = set()
        """The keys of the calls that were started and are not closed."""
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def crowded(self) -> bool:
        """Whether more calls are under way than can get a place soon."""
        return len(self.under_way) >= self._most

    async def run(self) -> None:
        """Keep calls running until cancelled. Raises what a call could not hand over."""
        async with self._running:
            await asyncio.get_running_loop().create_future()

    async def quiet(self) -> None:
        """Wait until no call is under way."""
        await self._quiet.wait()

    def start(self, key: UUID, job: Job, call: Callable[[], Awaitable[Any]], *, claimed_at_s: float) -> None:
        """Run `call` when there is a place for it. `claimed_at_s` is by the event loop's clock."""
        self.under_way.add(key)
        self._quiet.clear()
        self._running.create_task(self._call(key, job, call, claimed_at_s))

    def hold(self, key: UUID, job: Job) -> bool:
        """Keep `job` until the call of its key is closed. False if none is under way."""
        if key not in self.under_way:
            return False
        self._held[key].append(job)
        return True

    async def ended(self, limit: int) -> list[Ended[Job]]:
        """Wait for calls that have ended. Returns up to `limit`, each to be closed once it is dealt with."""
        found = [await self._ended.get()]
        while not self._ended.empty() and len(found) < limit:
            found.append(self._ended.get_nowait())
        return found

    def close(self, key: UUID) -> list[Job]:
        """Forget a call that was dealt with. Returns the jobs that were held for it."""
        self.under_way.remove(key)
        if not self.under_way:
            self._quiet.set()
        return self._held.pop(key, [])

    async def _call(self, key: UUID, job: Job, call: Callable[[], Awaitable[Any]], claimed_at_s: float) -> None:
        try:
            async with self._places:
                if asyncio.get_running_loop().time() > claimed_at_s + PLACE_WITHIN_S:
                    raise NoPlaceInTime("no place was free in time")
                async with within(CALL_TIMEOUT_S):
                    answer = await call()
        except (Exception, asyncio.CancelledError) as error:  # an unknown outcome: the failure policy decides
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # unlike one that a client library raised by itself
            self._ended.put_nowait(Ended(key, job, error=error))
        else:
            self._ended.put_nowait(Ended(key, job, answer))
