"""Child processes that die with us, however we die."""

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
    """How to run one program: its whole environment, its log file, and how it is to end."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_s: float = 10.0
    dies_by: signal.Signals = signal.SIGKILL
    """What the kernel sends it when we are gone (Linux; elsewhere a killed supervisor leaves it running)."""


class Process:
    """A running child, the leader of its own session: a terminal's Ctrl-C does not reach it."""

    def __init__(self, command: Command, child: asyncio.subprocess.Process) -> None:
        self._command = command
        self._child = child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    async def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return await self._child.wait()

    def kill(self) -> None:
        """End it and what it started, at once."""
        self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """End it gracefully, or by force when that takes too long."""
        self._signal(self._command.stop_signal, group=False)
        try:
            async with asyncio.timeout(self._command.stop_within_s):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def pause(self) -> None:
        """Stop it and everything that it started, also what made itself a session of its own (as backends do)."""
        self._signal(signal.SIGSTOP)  # first, so that it starts nothing more
        for descendant in descendants(self.pid):
            _send(descendant, signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on, itself last."""
        for descendant in descendants(self.pid):
            _send(descendant, signal.SIGCONT)
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals, *, group: bool = True) -> None:
        if self._child.returncode is None:
            _send(self._child.pid, number, by=os.killpg if group else os.kill)


def _send(pid: int, number: signal.Signals, by: Callable[[int, int], None] = os.kill) -> None:
    with contextlib.suppress(ProcessLookupError):
        by(pid, number)


async def spawn(command: Command) -> Process:
    """Start the program; its output is appended to its log file."""
    account = command.account
    with command.log.open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.env),
            cwd=command.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,
            preexec_fn=die_with_parent(command.dies_by),
        )
    return Process(command, child)


def die_with_parent(by: signal.Signals) -> Callable[[], None] | None:
    """What the child does before it becomes the program. It runs after the change of user, which would undo it."""
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def bind_to_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(by), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return bind_to_parent


def base_environment() -> dict[str, str]:
    """What every program gets of our environment: where programs are, and no settings of the caller's."""
    here = os.environ.get("PATH", "")
    return {"PATH": f"{here}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TZ": "UTC"}
