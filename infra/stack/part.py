"""What the supervisor keeps alive."""

from typing import Protocol


class Running(Protocol):
    """One life of a part, from its launch to its end."""

    @property
    def pid(self) -> int | None:
        """Its process id; None where the process is not ours (Docker, a given server)."""

    async def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""

    def kill(self) -> None:
        """End it at once."""

    async def stop(self) -> None:
        """End it gracefully, or by force when that takes too long."""

    def pause(self) -> None:
        """Stop it where it is (SIGSTOP): it keeps its connections and answers nobody. Raises `LocalError`."""

    def resume(self) -> None:
        """Let it go on after a pause."""


class Part(Protocol):
    """Something that can be launched, and launched again after it ended."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    async def launch(self) -> Running:
        """Start one life of it, without waiting until it is ready."""

    async def ready(self, running: Running) -> None:
        """Return once it serves. Raises `NotReady`."""
