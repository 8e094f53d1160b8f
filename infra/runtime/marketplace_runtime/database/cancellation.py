"""Lets statements run to completion even if the request that waits for them is cancelled.

Cancelling a statement normally costs its connection, since the driver cannot tell what the server still does with it.
While a database hangs, every request that gives up would close one connection and open another. The new one hangs as
well, and the server ends none of them.

Here a connection stays in use until the database answers or the driver gives up. So there are never more open
connections than slots (see `ConnectionSlots`). A request that still waits for a slot can be cancelled at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


class ConnectionSlots:
    """Limits the users of a pool to its number of connections.

    Whoever holds a slot gets a connection without waiting.
    """

    def __init__(self, number: int, within_s: float) -> None:
        self._free, self._within_s = asyncio.Semaphore(number), within_s

    async def acquire(self) -> None:
        """Wait for a slot. Raises `TimeoutError` if none becomes free within `within_s`."""
        async with asyncio.timeout(self._within_s):
            await self._free.acquire()

    def release(self) -> None:
        self._free.release()


class CancellableSession(AsyncSession):
    """A session whose user may be cancelled. Close it with `finish`, which waits for the running statement."""

    slots: ConnectionSlots
    _has_slot = False
    _running_statement: "asyncio.Future[Any] | None" = None
    """The statement that was running when the user was cancelled."""

    async def finish(self) -> bool:
        """Wait for the running statement, then close the session. Returns whether there was one and it succeeded."""
        unfinished = self._running_statement
        try:
            if unfinished is None:
                return False
            await asyncio.wait({unfinished})
            return not unfinished.cancelled() and unfinished.exception() is None
        finally:
            if unfinished is not None and not unfinished.done():  # this wait was cancelled, too
                unfinished.cancel()
                await asyncio.wait({unfinished})
            try:
                await self.close()
            finally:
                if self._has_slot:
                    self.slots.release()

    async def run_to_completion(self, statement: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `statement` and return its result. The statement goes on if the caller is cancelled."""
        if not self._has_slot:
            await self.slots.acquire()
            self._has_slot = True
        running = asyncio.ensure_future(statement())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._running_statement = running
            raise


def _uncancellable(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Awaitable[T]]:
    async def run(session: CancellableSession, *arguments: Any, **options: Any) -> T:
        return await session.run_to_completion(lambda: method(session, *arguments, **options))

    return run


for _name in ("commit", "delete", "execute", "flush", "get", "get_one", "run_sync", "scalar", "scalars"):
    setattr(CancellableSession, _name, _uncancellable(getattr(AsyncSession, _name)))
