"""Runs the supervisor's process."""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Iterator

from infra.stack.control_socket import serve
from infra.stack.errors import LocalError, StackIsUp
from infra.stack.layout import Layout
from infra.stack.locks import is_locked
from infra.stack.stack import Stack
from infra.stack.stack_programs import Programs
from infra.stack.supervisor import Supervisor


async def supervise(layout: Layout, programs: Programs, *, faultable: bool = False) -> None:
    """Run a stack until a request on the control socket, SIGTERM or SIGINT stops it.

    With `faultable`, services reach the broker, the databases and the stand-ins through a proxy that injects faults.

    Raises `StackIsUp` if the stack is already running, and `NoProvider` if a server cannot be provided.
    """
    layout.create()
    with _exclusive_lock(layout):
        async with _supervisor(Stack(layout, programs, faultable=faultable)) as supervisor:
            await supervisor.stopped.wait()


@contextlib.asynccontextmanager
async def _supervisor(stack: Stack) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(stack)
    stopping: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: stopping.append(asyncio.ensure_future(supervisor.stop())))
    server = await serve(stack.layout.socket, supervisor.handle_request)
    starting = asyncio.create_task(supervisor.start())
    try:
        yield supervisor
    finally:
        starting.cancel()
        await supervisor.stop()
        server.close()
        stack.layout.socket.unlink(missing_ok=True)


@contextlib.contextmanager
def _exclusive_lock(layout: Layout) -> Iterator[None]:
    """Hold the stack's lock, with the process id in the file. The kernel releases it when this process dies."""
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackIsUp(f"The stack {layout.name} is already up.", "See ./marketplace status") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def is_up(layout: Layout) -> bool:
    """Return whether a supervisor of this stack is running."""
    return is_locked(layout.lock)


def error_text(error: LocalError) -> str:
    """Return the text of the error: one line for what is wrong, and one for what to do."""
    return f"{error}\n{error.remedy}".strip()
