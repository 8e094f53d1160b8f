"""Carries out what a person requests for one part: kill, pause, resume, stop, start or restart it."""

import asyncio
from collections.abc import Awaitable, Callable

from infra.stack.errors import LocalError, NotReady
from infra.stack.process_monitor import ProcessMonitor
from infra.stack.stack import Stack

READY_TIMEOUT_S = 60.0


async def carry_out(
    action: str, monitor: ProcessMonitor, stack: Stack, complete_start: Callable[[ProcessMonitor], Awaitable[None]]
) -> None:
    """Carry out the action. `complete_start` is awaited after the part was started and became ready.

    Raises `NotReady` if that takes longer than a minute, and `LocalError` if the part cannot be controlled from here.
    """
    if monitor.part.name in stack.state.given and action not in ("start", "resume"):
        raise LocalError(
            f"{monitor.part.name} runs elsewhere: its address was given.", f"On its own machine, {action} it."
        )
    match action:
        case "kill":
            await monitor.kill()
        case "pause":
            monitor.pause()
        case "resume":
            monitor.resume()
        case "stop" | "restart":
            await monitor.stop()
    if action in ("start", "restart"):
        monitor.start()
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await monitor.wait_until_ready()
                await complete_start(monitor)
        except TimeoutError:
            name, status = monitor.part.name, monitor.status
            raise NotReady(
                f"{name} is not ready after {READY_TIMEOUT_S:.0f} s ({status.state}). {status.why}".strip(),
                f"The supervisor continues to start it. See {stack.layout.log(name)}",
            ) from None
