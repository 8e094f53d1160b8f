"""Wakes the background loops of a process when a commit leaves them something to do."""

import asyncio
from collections.abc import Set as AbstractSet


class WakeUps:
    """Passes signals from the transactions of a process to its relay and scheduler.

    All pools of a database share one `WakeUps`. A signal may be set without work to do. Work without a signal, such as
    that of other processes, is found by polling.
    """

    def __init__(self) -> None:
        self._outbox, self._schedule = asyncio.Event(), asyncio.Event()
        self._buckets: set[int] = set()

    def wake_relay(self, buckets: AbstractSet[int] = frozenset()) -> None:
        """Signal that there may be events to publish, in these buckets of the outbox."""
        self._buckets |= buckets
        self._outbox.set()

    def wake_scheduler(self) -> None:
        """Signal that an entry of the schedule may be due, or that a worker may have room for one that is."""
        self._schedule.set()

    def take_buckets(self) -> set[int]:
        """Return the buckets to which commits added since the last call, and clear the signal."""
        self._outbox.clear()
        buckets, self._buckets = self._buckets, set()
        return buckets

    def clear_schedule_signal(self) -> None:
        """Clear the signal, since the scheduler is about to check the schedule."""
        self._schedule.clear()

    async def wait_for_outbox(self) -> None:
        """Wait until the relay is woken."""
        await self._outbox.wait()

    async def wait_for_schedule(self) -> None:
        """Wait until the scheduler is woken."""
        await self._schedule.wait()
