"""Runs external calls concurrently, with no transaction open, and returns the result of each."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from marketplace_runtime.resilience import within

LEASE = timedelta(seconds=60)
"""Duration of a claim if its process neither finishes nor dies. Covers waiting for a slot, the call, and recording."""
SLOT_TIMEOUT_S = 20.0
"""Maximum time from the claim to a free slot.

After that, the call is not made: its lease might expire before its result is recorded.
"""
CALL_TIMEOUT_S = 30.0

Job = TypeVar("Job")
"""What the caller attaches to a call and gets back with its result, such as a delivery."""


class SlotTimeout(Exception):
    """The call waited so long for a free slot that its claim no longer covers it. It was not made."""


@dataclass(frozen=True, slots=True)
class CallResult(Generic[Job]):
    """Holds the result of a call that ended: an answer, or an error. After an error, its effect may be unknown."""

    key: UUID
    job: Job
    answer: Any = None
    error: BaseException | None = None


class CallPool(Generic[Job]):
    """Runs the calls of one subscription in this process, at most one per key and `concurrency` at a time.

    With `concurrency + max_waiting` calls under way the pool is full: the claims of further calls would expire while
    they wait for a slot.
    """

    def __init__(self, *, concurrency: int, max_waiting: int) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._max_under_way = concurrency + max_waiting
        self._results: asyncio.Queue[CallResult[Job]] = asyncio.Queue()
        self._running = asyncio.TaskGroup()
        self._held: defaultdict[UUID, list[Job]] = defaultdict(list)
        self.under_way: set[UUID] = set()
        """Keys of the calls that were started and are not closed."""
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_full(self) -> bool:
        """Return whether so many calls are under way that another would not get a slot soon."""
        return len(self.under_way) >= self._max_under_way

    async def run(self) -> None:
        """Run the started calls until cancelled. Raises an error that cannot be returned as a `CallResult`."""
        async with self._running:
            await asyncio.get_running_loop().create_future()

    async def wait_until_idle(self) -> None:
        """Wait until no call is under way."""
        await self._idle.wait()

    def start(self, key: UUID, job: Job, call: Callable[[], Awaitable[Any]], *, claimed_at_s: float) -> None:
        """Run `call` when a slot is free. The key must have no call under way.

        `claimed_at_s` is the time of its claim, in seconds of the event loop's clock.
        """
        self.under_way.add(key)
        self._idle.clear()
        self._running.create_task(self._call(key, job, call, claimed_at_s))

    def hold(self, key: UUID, job: Job) -> bool:
        """Keep `job`, a duplicate, until the call of its key is closed. Returns False if no such call is under way."""
        if key not in self.under_way:
            return False
        self._held[key].append(job)
        return True

    async def next_results(self, limit: int) -> list[CallResult[Job]]:
        """Wait for calls that have ended. Returns up to `limit`. Close each call after processing its result."""
        found = [await self._results.get()]
        while not self._results.empty() and len(found) < limit:
            found.append(self._results.get_nowait())
        return found

    def close(self, key: UUID) -> list[Job]:
        """Remove a call whose result was processed. Returns the jobs that were held for it."""
        self.under_way.remove(key)
        if not self.under_way:
            self._idle.set()
        return self._held.pop(key, [])

    async def _call(self, key: UUID, job: Job, call: Callable[[], Awaitable[Any]], claimed_at_s: float) -> None:
        try:
            async with self._slots:
                if asyncio.get_running_loop().time() > claimed_at_s + SLOT_TIMEOUT_S:
                    raise SlotTimeout("no place was free in time")
                async with within(CALL_TIMEOUT_S):
                    answer = await call()
        except (Exception, asyncio.CancelledError) as error:  # outcome unknown: the failure policy decides
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # this task is cancelled; a client library may also raise CancelledError by itself
            self._results.put_nowait(CallResult(key, job, error=error))
        else:
            self._results.put_nowait(CallResult(key, job, answer))
