"""Carries the deadline of a request into calls and tasks. Inner blocks can only make it earlier."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from marketplace_runtime.resilience.errors import DeadlineExceeded, NoTimeLeft

RESERVE_S = 0.05
"""Time that every step leaves unused, so that its result can still be reported."""

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""In seconds of the event loop's clock; None without a deadline."""


@asynccontextmanager
async def within(seconds: float | None) -> AsyncIterator[None]:
    """Cancel the block after `seconds`, or at the enclosing deadline if that is earlier. None adds no deadline.

    Raises `DeadlineExceeded`. If no time is left, it does so without starting the block.
    """
    if seconds is None:
        yield
        return
    now, enclosing = asyncio.get_running_loop().time(), _deadline.get()
    at = now + seconds if enclosing is None else min(now + seconds, enclosing)
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
    """Return the seconds until the deadline, at least 0, or None without a deadline."""
    at = _deadline.get()
    return None if at is None else max(0.0, at - asyncio.get_running_loop().time())


def cap_to_deadline(seconds: float, *, min_s: float = 0.0) -> float:
    """Return how long one step may take: at most `seconds`, and no longer than the deadline minus the reserve.

    Raises `NoTimeLeft` if the deadline minus the reserve leaves no more than `min_s` seconds.
    """
    left = remaining_s()
    if left is None or seconds <= left - RESERVE_S:
        return seconds
    if left - RESERVE_S <= min_s:
        raise NoTimeLeft(f"{left:.3g} s are left of the deadline")
    return left - RESERVE_S
