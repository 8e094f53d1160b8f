"""How long somebody still waits for what we do. It goes with the work into calls and tasks, and only gets sooner."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from marketplace_runtime.resilience.errors import DeadlineExceeded, NoTimeLeft

RESERVE_S = 0.05
"""Kept back from every step, so that there is time left to say what came of it."""

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""By the event loop's clock."""


@asynccontextmanager
async def within(seconds: float | None) -> AsyncIterator[None]:
    """Cut the block off after `seconds`, or at the deadline around it if that is sooner; None adds no deadline.

    Raises `DeadlineExceeded`, without beginning where no time is left.
    """
    if seconds is None:
        yield
        return
    now, around = asyncio.get_running_loop().time(), _deadline.get()
    at = now + seconds if around is None else min(now + seconds, around)
    if at <= now:
        raise DeadlineExceeded("no time was left to begin")
    token = _deadline.set(at)
    try:
        async with asyncio.timeout_at(at) as timer:
            yield
    except TimeoutError as error:
        if not timer.expired():
            raise
        raise DeadlineExceeded(f"not done within {at - now:.3g} s") from error
    finally:
        _deadline.reset(token)


def remaining_s() -> float | None:
    """Seconds until the deadline, at least 0; None where there is none."""
    at = _deadline.get()
    return None if at is None else max(0.0, at - asyncio.get_running_loop().time())


def at_most(seconds: float, *, least: float = 0.0) -> float:
    """How long one step may take: `seconds`, or what is left of the deadline, but for the reserve.

    Raises `NoTimeLeft` where so little is left that even a step of `least` seconds had to be cut off.
    """
    left = remaining_s()
    if left is None or seconds <= left - RESERVE_S:
        return seconds
    if left - RESERVE_S <= least:
        raise NoTimeLeft(f"{left:.3g} s are left of the deadline")
    return left - RESERVE_S
