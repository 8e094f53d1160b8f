"""Runs the replicas of the services, and registers them, so that the gateway knows which of them take requests."""

from collections.abc import Callable, Sequence

from infra.stack.control_socket import Message
from infra.stack.discovery import Discovery, Replica
from infra.stack.errors import LocalError, UnknownPart
from infra.stack.process_monitor import ProcessMonitor
from infra.stack.stack import Stack

MAX_REPLICAS = 16


class Replicas:
    """The process monitors of all replicas, by service and number. Each service begins with one."""

    def __init__(self, stack: Stack, on_change: Callable[[], None]) -> None:
        self._stack = stack
        self._on_change = on_change
        self._discovery = Discovery(stack.gateway_configuration)
        self._monitors = {name: {1: self._monitor(name, 1)} for name in stack.programs.services}

    @property
    def services(self) -> Sequence[str]:
        """The names of the services."""
        return list(self._monitors)

    def of(self, service: str) -> Sequence[ProcessMonitor]:
        """Return the monitors of a service's replicas, in the order in which they were added."""
        return list(self._monitors[service].values())

    def by_name(self) -> dict[str, ProcessMonitor]:
        """Return all monitors by the name of the replica (`cart.2`)."""
        return {monitor.part.name: monitor for service in self._monitors for monitor in self.of(service)}

    def register(self) -> None:
        """Tell the gateway which replicas take requests. Does nothing for services where this has not changed."""
        self._discovery.update(self._registered())

    def add(self, service: str) -> None:
        """Add a service that was written since the stack started, with one replica."""
        self._monitors[service] = {1: self._monitor(service, 1)}

    async def remove(self, service: str) -> None:
        """Stop the replicas of a service, and remove it."""
        for monitor in self._monitors.pop(service).values():
            await monitor.close()

    async def start(self, service: str) -> None:
        """Start the replicas of a service, and wait until they take requests from the gateway."""
        for monitor in self.of(service):
            monitor.start()
            await monitor.wait_until_ready()
        await self._discovery.wait_until_healthy(service)

    async def wait_until_healthy(self, service: str) -> None:
        """Wait until the gateway sends requests to all replicas in rotation, for 5 s at most."""
        await self._discovery.wait_until_healthy(service)

    async def describe(self) -> list[Message]:
        """Return every replica for `discovery ls`."""
        return await self._discovery.describe(self._registered())

    async def scale(self, service: str, number: int) -> Sequence[ProcessMonitor]:
        """Stop and remove the replicas beyond `number`, and add missing ones. Returns those added, not yet started.

        Raises `UnknownPart` if there is no such service, and `LocalError` if the number is not allowed.
        """
        if service not in self._monitors:
            raise UnknownPart(f"There is no service {service!r}.", f"Services: {', '.join(self._monitors)}")
        if not 1 <= number <= MAX_REPLICAS:
            raise LocalError(f"{service} cannot have {number} replicas.", f"Choose 1 to {MAX_REPLICAS}.")
        running = self._monitors[service]
        for each in sorted(running)[number:]:
            await running.pop(each).close()
            self._stack.remove_replica(service, each)
        missing = [each for each in range(1, number + 1) if each not in running]
        running |= {each: self._monitor(service, each) for each in missing}
        await self._stack.open_links()
        return [running[each] for each in missing]

    def _monitor(self, service: str, number: int) -> ProcessMonitor:
        """Return the monitor of a replica. Before it is stopped, the gateway must no longer send it requests."""

        async def drain() -> None:
            await self._discovery.wait_until_applied(service)

        return ProcessMonitor(self._stack.service(service, number), on_change=self._on_change, drain=drain)

    def _registered(self) -> dict[str, list[Replica]]:
        return {
            service: [
                Replica(
                    service,
                    monitor.part.name,
                    self._stack.http_port(service, number),
                    self._stack.gateway_port(service, number),
                    monitor.status,
                )
                for number, monitor in monitors.items()
            ]
            for service, monitors in self._monitors.items()
        }
