"""Starts a supervisor as a separate process, and follows it until the stack is up."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from signal import SIGTERM

from infra.stack.control_socket import Message, stream_request
from infra.stack.errors import NotReady, StackIsDown
from infra.stack.layout import CHECKOUT, Layout, python_path
from infra.stack.processes import die_with_parent

READY_WITHIN_S = 120.0
POLL_S = 0.05
FAULTABLE = "--faultable"


def start_supervisor(
    layout: Layout,
    *,
    stops_with_parent: bool,
    faultable: bool = False,
    command: Sequence[str] = (sys.executable, "-m", "infra.stack"),
) -> subprocess.Popen[bytes]:
    """Start the stack's supervisor in the background, with its output in its log file.

    With `stops_with_parent`, it stops the stack gracefully when this process ends (on Linux).
    Otherwise it outlives this process.
    """
    layout.create()
    with layout.log("supervisor").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own program
            (*command, layout.name, *([FAULTABLE] if faultable else [])),
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": python_path(CHECKOUT)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(SIGTERM) if stops_with_parent else None,  # noqa: PLW1509 - no threads here
        )


async def wait_until_up(
    layout: Layout, supervisor: subprocess.Popen[bytes], on_status: Callable[[Message], None]
) -> None:
    """Return once everything is ready. Calls `on_status` with the status at every change.

    Raises `NotReady` if the supervisor ends, reports a failed start, or takes longer than two minutes.
    """
    log = layout.log("supervisor")
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while supervisor.poll() is None:
                try:
                    async for status in stream_request(layout.socket, {"do": "watch"}):
                        on_status(status)
                        if status["phase"] == "ready":
                            return
                        if status["phase"] == "failed":
                            raise NotReady(
                                f"The stack did not start: {status['why']}", "Fix the cause, then: ./marketplace down"
                            )
                except StackIsDown:
                    await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise NotReady(
            f"The stack was not ready within {READY_WITHIN_S:.0f} s.",
            "See ./marketplace status and ./marketplace logs PART",
        ) from None
    output = log.read_text().strip().splitlines()[-2:]
    raise NotReady("The supervisor ended: " + " ".join(output), f"See {log}")
