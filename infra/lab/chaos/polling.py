"""Polls until there is a result."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

MAX_WAIT_S, POLL_S = 15.0, 0.25


async def poll_until_truthy(query: Callable[[], Awaitable[T]]) -> T:
    """Return the first truthy answer of `query`, called every `POLL_S`. After `MAX_WAIT_S`, return the last answer."""
    until = time.monotonic() + MAX_WAIT_S
    while True:
        answer = await query()
        if answer or time.monotonic() >= until:
            return answer
        await asyncio.sleep(POLL_S)
