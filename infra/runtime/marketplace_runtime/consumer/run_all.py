"""Runs background tasks side by side, and fails as soon as one of them ends."""

import asyncio
from collections.abc import Coroutine


async def run_all(*parts: Coroutine[object, object, None]) -> None:
    """Run `parts` concurrently until cancelled, or until one of them ends. Then cancels the others.

    Raises the error that ended a part, or RuntimeError if it returned or was cancelled. A task group would go on
    without a part that was cancelled from within, for example by a client library.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()
        raise RuntimeError("a background task ended that must run until cancelled")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
