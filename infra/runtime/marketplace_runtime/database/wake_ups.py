"""Wakes the background loops of a process when a commit leaves them something to do."""

import asyncio
from collections.abc import Set as AbstractSet


class WakeUps:
    """Signals between the transactions of a process and its relay and scheduler. All pools of a database share one.

    A signal may be set for nothing; polling finds what no signal told of, such as the work of other processes.
    """

    def __init__(self) -> None:
        self._outbox, self._schedule = asyncio.Event(), asyncio.Event()
        self._buckets: set[int] = set()

    def wake_relay(self, buckets: AbstractSet[int] = frozenset()) -> None:
        """There may be events to publish, in these buckets of the outbox."""
        self._buckets |= buckets
        self._outbox.set()

    def wake_scheduler(self) -> None:
        """Something in the schedule may be due, or there may be room for what was due before."""
        self._schedule.set()

    def take_buckets(self) -> set[int]:
        """Return the buckets to which commits added since this was last called, and forget the signal."""
        self._outbox.clear()
        buckets, self._buckets = self._buckets, set()
        return buckets

    def begin_schedule(self) -> None:
        """Forget the signal: the scheduler looks now."""
        self._schedule.clear()

    async def wait_for_outbox(self) -> None:
        """Wait until the relay is woken."""
        await self._outbox.wait()

    async def wait_for_schedule(self) -> None:
        """Wait until the scheduler is woken."""
        await self._schedule.wait()
