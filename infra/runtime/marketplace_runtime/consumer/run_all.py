"""Parts that run for ever, side by side: when one ends, all do, and loudly."""

import asyncio
from collections.abc import Coroutine


async def run_all(*parts: Coroutine[object, object, None]) -> None:
    """Run `parts` until cancelled, or until one of them ends; raises what ended it.

    A task group would go on without a part that was cancelled from within, by a client library say.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()
        raise RuntimeError("a part that should run for ever ended")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
