"""Lets statements run to completion even if the request that waits for them is cancelled.

Cancelling a statement normally costs its connection, since the driver cannot tell what the server still does with it.
While a database hangs, every request that gives up would close one connection and open another. The new one hangs as
well, and the server ends none of them.

Here a connection stays in use until the database answers or the driver gives up. So there are never more open
connections than places (see `Places`). A request that still waits for a place can be cancelled at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


class Places:
    """Limits the users of a pool to its number of connections.

    Whoever holds a place gets a connection without waiting.
    """

    def __init__(self, number: int, within_s: float) -> None:
        self._free, self._within_s = asyncio.Semaphore(number), within_s

    async def take(self) -> None:
        """Wait for a place. Raises `TimeoutError` if none becomes free within `within_s`."""
        async with asyncio.timeout(self._within_s):
            await self._free.acquire()

    def give_back(self) -> None:
        self._free.release()


class CancellableSession(AsyncSession):
    """A session whose user may be cancelled. Close it with `finish`, which waits for the running statement."""

    places: Places
    _has_place = False
    _under_way: "asyncio.Future[Any] | None" = None
    """The statement that was running when the user was cancelled."""

    async def finish(self) -> bool:
        """Wait for the running statement, then close the session. Returns whether there was one and it succeeded."""
        left = self._under_way
        try:
            if left is None:
                return False
            await asyncio.wait({left})
            return not left.cancelled() and left.exception() is None
        finally:
            if left is not None and not left.done():  # this wait was cancelled, too
                left.cancel()
                await asyncio.wait({left})
            try:
                await self.close()
            finally:
                if self._has_place:
                    self.places.give_back()

    async def to_its_end(self, statement: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `statement` and return its result. The statement goes on if the caller is cancelled."""
        if not self._has_place:
            await self.places.take()
            self._has_place = True
        running = asyncio.ensure_future(statement())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._under_way = running
            raise


def _patiently(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Awaitable[T]]:
    async def run(session: CancellableSession, *arguments: Any, **options: Any) -> T:
        return await session.to_its_end(lambda: method(session, *arguments, **options))

    return run


for _name in ("commit", "delete", "execute", "flush", "get", "get_one", "run_sync", "scalar", "scalars"):
    setattr(CancellableSession, _name, _patiently(getattr(AsyncSession, _name)))
