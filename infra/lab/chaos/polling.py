"""Polls until there is a result."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S, POLL_S = 15.0, 0.25


async def until_seen(ask: Callable[[], Awaitable[T]]) -> T:
    """Return the first truthy answer of `ask`, called every `POLL_S`. After `PATIENCE_S`, return the last answer."""
    until = time.monotonic() + PATIENCE_S
    while True:
        answer = await ask()
        if answer or time.monotonic() >= until:
            return answer
        await asyncio.sleep(POLL_S)
