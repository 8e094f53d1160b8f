"""Sessions whose statements run to their end, whatever becomes of whoever waits for them.

A statement that is cut off costs its connection: the driver cannot tell what the server still makes of it. While a
database hangs, every request that gives up would so close one connection and have another one opened, which hangs as
well, and none of them has an end on the server. Here the connection stays taken until the database has answered or the
driver gives it up: never more of them are open than there are places. Who waits for a place can be cut off at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


class Places:
    """As many as the pool has connections: whoever has one need not wait for a connection."""

    def __init__(self, number: int, within_s: float) -> None:
        self._free, self._within_s = asyncio.Semaphore(number), within_s

    async def take(self) -> None:
        """Wait in line. Raises TimeoutError."""
        async with asyncio.timeout(self._within_s):
            await self._free.acquire()

    def give_back(self) -> None:
        self._free.release()


class CancellableSession(AsyncSession):
    """A session for who may be cut off. It is ended by `finish`, which waits for what is under way."""

    places: Places
    _has_place = False
    _under_way: "asyncio.Future[Any] | None" = None
    """What was going on when its user was cancelled."""

    async def finish(self) -> bool:
        """Wait for what is under way, then close it. Returns whether there was something, and it succeeded."""
        left = self._under_way
        try:
            if left is None:
                return False
            await asyncio.wait({left})
            return not left.cancelled() and left.exception() is None
        finally:
            if left is not None and not left.done():  # we are not to wait any longer
                left.cancel()
                await asyncio.wait({left})
            try:
                await self.close()
            finally:
                if self._has_place:
                    self.places.give_back()

    async def to_its_end(self, statement: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for `statement`, which goes on when the wait is cancelled."""
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
