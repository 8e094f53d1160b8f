"""Defines the interfaces of what the supervisor keeps running: a part, and one run of it."""

from typing import Protocol


class RunningPart(Protocol):
    """One run of a part, from its launch to its end."""

    @property
    def pid(self) -> int | None:
        """The process id. None if the process is not a child of this one (Docker, a given server)."""

    async def wait(self) -> int:
        """Wait for its end, and return the exit code: negative if a signal ended it."""

    def kill(self) -> None:
        """Kill it at once."""

    async def stop(self) -> None:
        """Stop it gracefully, and kill it if that takes too long."""

    def pause(self) -> None:
        """Pause it (SIGSTOP): it keeps its connections, but does not answer.

        Raises `LocalError` if it cannot be paused.
        """

    def resume(self) -> None:
        """Resume it after a pause."""


class Part(Protocol):
    """A server or program that can be launched, and launched again after it ended."""

    @property
    def name(self) -> str:
        """The name that people use for it in commands."""

    async def launch(self) -> RunningPart:
        """Launch it, without waiting until it is ready."""

    async def wait_until_ready(self, running: RunningPart) -> None:
        """Return once it is ready. Raises `NotReady` if it ends first or takes too long."""
