"""A server that can be held: started, killed and started again by whoever has it."""

from abc import ABC, abstractmethod

from infra.local.part import Running


class Server(ABC):
    """A part that remembers its present life. The supervisor keeps parts itself; tests hold servers."""

    running: Running | None = None

    @abstractmethod
    async def launch(self) -> Running:
        """Start one life of it, without waiting until it is ready."""

    @abstractmethod
    async def ready(self, running: Running) -> None:
        """Return once it serves. Raises `NotReady`."""

    async def start(self) -> None:
        """Launch it and wait until it serves; with the data it had, if it ran before."""
        self.running = await self.launch()
        await self.ready(self.running)

    async def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self.running:
            self.running.kill()
            await self.running.wait()

    async def stop(self) -> None:
        """End it gracefully."""
        if self.running:
            await self.running.stop()
