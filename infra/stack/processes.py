"""Runs child processes that end when this process does, even if it is killed (on Linux)."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.stack.accounts import Account
from infra.stack.memory import descendants

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class Command:
    """How to run one program: its complete environment, its log file, and the signals that end it."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    output: Path | None = None
    """The file that its standard output is written to, instead of the log."""
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_s: float = 10.0
    parent_death_signal: signal.Signals = signal.SIGKILL
    """The signal that the kernel sends it when this process ends.

    Linux only. On other systems the program keeps running if this process is killed.
    """


class Process:
    """A running child process. It leads its own session, so that Ctrl-C in a terminal does not reach it."""

    def __init__(self, command: Command, child: asyncio.subprocess.Process) -> None:
        self._command = command
        self._child = child

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    async def wait(self) -> int:
        """Wait for its end, and return the exit code: negative if a signal ended it."""
        return await self._child.wait()

    def kill(self) -> None:
        """Kill it and its process group at once (SIGKILL). Does nothing if it has ended."""
        self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Send it `stop_signal`, and kill it if it has not ended after `stop_within_s` seconds."""
        self._signal(self._command.stop_signal, group=False)
        try:
            async with asyncio.timeout(self._command.stop_within_s):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def pause(self) -> None:
        """Pause it and all its descendants, including those with a session of their own (as Postgres backends have)."""
        self._signal(signal.SIGSTOP)  # first, so that it starts no further processes
        for descendant in descendants(self.pid):
            _send(descendant, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it and all its descendants, the process itself last."""
        for descendant in descendants(self.pid):
            _send(descendant, signal.SIGCONT)
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals, *, group: bool = True) -> None:
        if self._child.returncode is None:
            _send(self._child.pid, number, send=os.killpg if group else os.kill)


def _send(pid: int, number: signal.Signals, send: Callable[[int, int], None] = os.kill) -> None:
    with contextlib.suppress(ProcessLookupError):
        send(pid, number)


async def spawn(command: Command) -> Process:
    """Start the program, and append its output to its log file."""
    account = command.account
    with command.log.open("ab") as log, contextlib.ExitStack() as files:
        output = files.enter_context(command.output.open("wb")) if command.output else log
        child = await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.env),
            cwd=command.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=log,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,
            preexec_fn=die_with_parent(command.parent_death_signal),
        )
    return Process(command, child)


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes the kernel send `death_signal` to the child when its parent ends.

    It must run after the change of user, which would reset the setting. None if the system is not Linux.
    """
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def bind_to_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before prctl was called
            os.kill(os.getpid(), signal.SIGKILL)

    return bind_to_parent


def base_environment() -> dict[str, str]:
    """Return the variables that every program gets: PATH, locale and time zone, but no settings of the caller."""
    search_path = os.environ.get("PATH", "")
    return {"PATH": f"{search_path}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TZ": "UTC"}
