"""Sessions whose statements run to their end, whatever becomes of whoever waits for them.

A statement that is cut off costs its connection: the driver cannot tell what the server still makes of it. While a
database hangs, every request that gives up would so close one connection and have another one opened, which hangs as
well, and none of them has an end on the server. Here the connection stays taken until the database has answered, at
most for as long as a statement may take: never more of them than the pool has.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


class PatientSession(AsyncSession):
    """A session for who may be cut off, and then has to `finish` it instead of closing it."""

    under_way: "asyncio.Future[Any] | None" = None
    """What was going on when its user was cancelled."""

    async def finish(self) -> bool:
        """Wait for what is under way, then close it. Returns whether there was something, and it succeeded."""
        try:
            if self.under_way is None:
                return False
            await asyncio.wait({self.under_way})
            return not self.under_way.cancelled() and self.under_way.exception() is None
        finally:
            await self.close()

    async def to_its_end(self, statement: Coroutine[Any, Any, T]) -> T:
        """Wait for `statement`, which goes on when the wait is cancelled."""
        running = asyncio.ensure_future(statement)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self.under_way = running
            raise


def _patiently(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Awaitable[T]]:
    async def run(session: PatientSession, *arguments: Any, **options: Any) -> T:
        return await session.to_its_end(method(session, *arguments, **options))

    return run


for _name in ("commit", "delete", "execute", "flush", "get", "get_one", "run_sync", "scalar", "scalars"):
    setattr(PatientSession, _name, _patiently(getattr(AsyncSession, _name)))
