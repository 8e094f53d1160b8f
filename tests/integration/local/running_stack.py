"""Starts, observes and stops a stack of toys."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from infra.stack import Layout, send_request, start_supervisor, stream_request, wait_until_up
from tests.integration.local import toy_stack

COMMAND = (sys.executable, toy_stack.ME)


async def up(where: Layout) -> subprocess.Popen[bytes]:
    supervisor = start_supervisor(where, stops_with_parent=True, command=COMMAND)
    await wait_until_up(where, supervisor, lambda _: None)
    return supervisor


async def down(where: Layout, supervisor: subprocess.Popen[bytes]) -> None:
    await send_request(where.socket, {"do": "down"})
    await asyncio.to_thread(supervisor.wait, 20)


async def parts(where: Layout) -> dict[str, Any]:
    return dict((await send_request(where.socket, {"do": "status"}))["parts"])


async def until(where: Layout, holds: Callable[[dict[str, Any]], bool], within_s: float = 20) -> dict[str, Any]:
    """Wait until the condition holds for the parts, and return them."""
    async with asyncio.timeout(within_s):
        async for status in stream_request(where.socket, {"do": "watch"}):
            if holds(status["parts"]):
                return dict(status["parts"])
    raise AssertionError("the stack ended")
