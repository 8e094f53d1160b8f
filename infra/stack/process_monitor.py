"""Starts, stops and pauses one part on request, and restarts it after a crash."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from infra.stack.backoff import Backoff
from infra.stack.errors import LocalError, NotReady
from infra.stack.part import Part, RunningPart


class State(StrEnum):
    """The current state of a part."""

    STOPPED = "stopped"
    KILLED = "killed"
    STARTING = "starting"
    READY = "ready"
    PAUSED = "paused"
    STOPPING = "stopping"
    CRASHED = "crashed"


@dataclass(frozen=True)
class PartStatus:
    """The status of a part, as it is reported."""

    state: State
    pid: int | None
    since: float
    """Unix time of the last change of state."""
    restarts: int
    """Number of restarts after it ended by itself."""
    why: str
    """How its last run ended, or why it could not be started. Empty while it is ready."""


class ProcessMonitor:
    """Keeps a part running while it is wanted, and restarts it with backoff when it ends by itself.

    A part that a person killed or stopped stays down until a person starts it.
    """

    def __init__(
        self,
        part: Part,
        *,
        on_change: Callable[[], None],
        drain: Callable[[], Awaitable[None]] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """`drain` is awaited before a graceful stop, when the part is in the state STOPPING but still runs."""
        self.part = part
        self._on_change = on_change
        self._drain = drain
        self._backoff = backoff or Backoff()
        self._wanted = asyncio.Event()
        self._down = asyncio.Event()
        self._down.set()
        self._skip_delay = asyncio.Event()
        self._ready, self._crashed = asyncio.Event(), asyncio.Event()
        self._running: RunningPart | None = None
        self._state, self._since, self._restarts, self._why = State.STOPPED, time.time(), 0, ""
        self._task = asyncio.create_task(self._supervise())

    @property
    def status(self) -> PartStatus:
        """The current status."""
        pid = self._running.pid if self._running else None
        return PartStatus(self._state, pid, self._since, self._restarts, self._why)

    def start(self) -> None:
        """Request that the part runs. After a crash it is started without further delay; a paused one is resumed."""
        self.resume()
        self._backoff.reset()
        self._wanted.set()
        self._skip_delay.set()

    async def wait_until_ready(self, attempts: int | None = None) -> None:
        """Wait until the part is ready.

        Raises `NotReady` if it ended `attempts` times before that. Without `attempts` it waits without limit.
        """
        before = self._restarts
        ready = asyncio.ensure_future(self._ready.wait())
        try:
            while not ready.done():
                crashed = asyncio.ensure_future(self._crashed.wait())
                await asyncio.wait({ready, crashed}, return_when=asyncio.FIRST_COMPLETED)
                crashed.cancel()
                self._crashed.clear()
                if attempts is not None and not ready.done() and self._restarts - before >= attempts:
                    raise NotReady(f"{self.part.name} did not start in {attempts} attempts. {self._why}")
        finally:
            ready.cancel()

    def pause(self) -> None:
        """Pause the part, so that it is like a process that hangs. Raises `LocalError` if it is not running."""
        if self._running is None or self._state not in (State.STARTING, State.READY):
            verb = "resume" if self._state is State.PAUSED else "start"
            remedy = f"To let it run: ./marketplace {verb} {self.part.name}"
            raise LocalError(f"{self.part.name} is {self._state}, so it cannot be paused.", remedy)
        self._running.pause()
        self._set_state(State.PAUSED)

    def resume(self) -> None:
        """Resume the part, if it is paused."""
        if self._running and self._state is State.PAUSED:
            self._running.resume()
            self._set_state(State.READY if self._ready.is_set() else State.STARTING)

    async def kill(self) -> None:
        """Kill the part, as a crash would, and keep it down."""
        self._wanted.clear()
        self._skip_delay.set()
        if self._running:
            self._running.kill()
        await self._down.wait()
        self._set_state(State.KILLED)

    async def stop(self) -> None:
        """Stop the part gracefully, and keep it down."""
        self._wanted.clear()
        self._skip_delay.set()
        self.resume()
        if self._running:
            self._set_state(State.STOPPING)
            if self._drain:
                await self._drain()
        if self._running:
            await self._running.stop()
        await self._down.wait()
        self._set_state(State.STOPPED)

    async def close(self) -> None:
        """Stop the part, and end its monitoring."""
        await self.stop()
        self._task.cancel()

    async def _supervise(self) -> None:
        while True:
            await self._wanted.wait()
            self._down.clear()
            began = time.monotonic()
            await self._run_once()
            self._running = None
            self._ready.clear()
            if self._wanted.is_set():
                self._restarts += 1
                self._set_state(State.CRASHED)
                self._crashed.set()
                await self._wait_before_restart(self._backoff.next_delay_s(time.monotonic() - began))
            self._down.set()

    async def _run_once(self) -> None:
        """Run the part once, from launch to end. Records in `_why` how it ended, or why it could not be started."""
        self._set_state(State.STARTING)
        try:
            self._running = running = await self.part.launch()
            if not self._wanted.is_set():  # killed or stopped during the launch
                running.kill()
            self._set_state(State.STARTING)  # again, so that the new process id is reported
            try:
                await self.part.wait_until_ready(running)
            except BaseException:
                running.kill()
                await running.wait()
                raise
            if self._wanted.is_set():
                self._why = ""
                self._ready.set()
                self._set_state(State.READY)
            self._why = f"ended with exit code {await running.wait()}"
        except LocalError as error:
            self._why = f"{error} {error.remedy}".strip()
        except Exception as error:  # noqa: BLE001 - whatever it is, the monitor continues and tries again
            self._why = f"could not be started: {error!r}"

    async def _wait_before_restart(self, delay_s: float) -> None:
        self._skip_delay.clear()
        try:
            async with asyncio.timeout(delay_s):
                await self._skip_delay.wait()
        except TimeoutError:
            return

    def _set_state(self, state: State) -> None:
        if state is not self._state:
            self._state, self._since = state, time.time()
        self._on_change()
