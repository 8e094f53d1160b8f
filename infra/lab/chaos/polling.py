"""Asking again until something is seen."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S, POLL_S = 15.0, 0.25


async def until_seen(ask: Callable[[], Awaitable[T]]) -> T:
    """The first answer that is not empty (zero, nothing); after `PATIENCE_S` of asking, whatever it is."""
    until = time.monotonic() + PATIENCE_S
    while True:
        answer = await ask()
        if answer or time.monotonic() >= until:
            return answer
        await asyncio.sleep(POLL_S)
