"""Lets statements run to completion even if the request that waits for them is cancelled.

Cancelling a statement normally costs its connection, since the driver cannot tell what the server still does with it.
While a database hangs, every request that gives up would close one connection and open another. The new one hangs as
well. The server ends no session while it hangs, so ever more sessions would pile up there.

Here a connection stays in use until the database answers or the driver gives up. So there are never more open
connections than slots (see `ConnectionSlots`). A request that still waits for a slot can be cancelled at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


class ConnectionSlots:
    """Limits the tasks that use a pool to its number of connections.

    A task that holds a slot gets a connection without waiting.
    """

    def __init__(self, number: int, timeout_s: float) -> None:
        self._free, self._timeout_s = asyncio.Semaphore(number), timeout_s

    async def acquire(self) -> None:
        """Wait for a slot. Raises `TimeoutError` if none becomes free within `timeout_s`."""
        async with asyncio.timeout(self._timeout_s):
            await self._free.acquire()

    def release(self) -> None:
        self._free.release()


class CancellableSession(AsyncSession):
    """A session for a task that may be cancelled. Close it with `finish`, which waits for the abandoned statement."""

    slots: ConnectionSlots
    _has_slot = False
    _abandoned_statement: "asyncio.Future[Any] | None" = None
    """The statement that was running when the task was cancelled; it goes on. None if the task was not cancelled."""

    async def finish(self) -> bool:
        """Wait for the abandoned statement, then close the session. Returns whether there was one and it succeeded."""
        abandoned = self._abandoned_statement
        try:
            if abandoned is None:
                return False
            await asyncio.wait({abandoned})
            return not abandoned.cancelled() and abandoned.exception() is None
        finally:
            if abandoned is not None and not abandoned.done():  # this wait was cancelled, too
                abandoned.cancel()
                await asyncio.wait({abandoned})
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
            self._abandoned_statement = running
            raise


def _uncancellable(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Awaitable[T]]:
    async def run(session: CancellableSession, *arguments: Any, **options: Any) -> T:
        return await session.run_to_completion(lambda: method(session, *arguments, **options))

    return run


for _name in ("commit", "delete", "execute", "flush", "get", "get_one", "run_sync", "scalar", "scalars"):
    setattr(CancellableSession, _name, _uncancellable(getattr(AsyncSession, _name)))
