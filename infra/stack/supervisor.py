"""Supervises the parts of one stack: starts them, restarts them after crashes, and carries out people's requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, replace
from enum import StrEnum

from infra.stack.control_socket import Message
from infra.stack.errors import LocalError, NotReady, UnknownPart
from infra.stack.gateway import Admin, Rejections
from infra.stack.memory import resident_bytes
from infra.stack.part_actions import READY_TIMEOUT_S, carry_out
from infra.stack.process_monitor import ProcessMonitor, State
from infra.stack.replicas import Replicas
from infra.stack.stack import Stack

MAX_START_ATTEMPTS = 3
"""Number of times that a server may end before it is ready. After that the start of the stack has failed."""


class Phase(StrEnum):
    """The state of the stack as a whole."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    """The stack was ready, but a part no longer is."""
    FAILED = "failed"
    STOPPING = "stopping"


class Supervisor:
    """Starts broker, databases, stand-ins and proxy in parallel, and then the services. After that, serves requests."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._changed = asyncio.Event()
        self.stopped = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.phase, self.why = Phase.STARTING, ""
        self._rejections = Rejections()
        servers = [stack.gateway, stack.broker, *stack.databases.values(), stack.stand_ins, stack.proxy]
        self._servers = {part.name: ProcessMonitor(part, on_change=self._on_change) for part in servers if part}
        self._replicas = Replicas(stack, self._on_change)

    async def start(self) -> None:
        """Start everything. A `LocalError` is not raised, but reported in `phase` (FAILED) and `why`."""
        self._replicas.register()
        self._watching = asyncio.create_task(self._watch_gateway())
        for server in self._servers.values():
            server.start()
        try:
            async with asyncio.TaskGroup() as group:
                declared = group.create_task(self._declare())
                group.create_task(self._servers[self._stack.gateway.name].wait_until_ready(MAX_START_ATTEMPTS))
                for name in self._replicas.services:
                    group.create_task(self._start_service(name, declared))
        except* LocalError as errors:
            first = errors.exceptions[0]
            self._set_phase(Phase.FAILED, f"{first} {getattr(first, 'remedy', '')}")
        else:
            self._set_phase(Phase.READY)

    async def stop(self) -> None:
        """Stop everything: gateway, services, servers. A second call waits until the first has finished."""
        if self.phase is Phase.STOPPING:
            await self.stopped.wait()
            return
        self._set_phase(Phase.STOPPING)
        if self._watching:
            self._watching.cancel()
        await self._servers[self._stack.gateway.name].close()
        await asyncio.gather(*(monitor.close() for monitor in self._replicas.by_name().values()))
        await asyncio.gather(*(monitor.close() for monitor in self._servers.values()))
        self.stopped.set()
        self._on_change()

    async def handle_request(self, request: Message) -> AsyncIterator[Message]:
        """Carry out one request of the command line, and yield the answers. Raises `LocalError` if it is refused."""
        match request:
            case {"do": "status"}:
                yield self._status()
            case {"do": "watch"}:
                async for status in self._stream_status():
                    yield status
            case {"do": "restart", "part": str(part)}:
                for monitor in self._monitors_of(part):  # one by one, so that the other replicas take the requests
                    await self._carry_out("restart", monitor)
                yield self._status()
            case {"do": "kill" | "pause" | "resume" | "start" | "stop" as action, "part": str(part)}:
                await asyncio.gather(*(self._carry_out(action, monitor) for monitor in self._monitors_of(part)))
                yield self._status()
            case {"do": "discovery"}:
                yield {"replicas": await self._replicas.describe()}
            case {"do": "scale", "service": str(service), "replicas": int(replicas)}:
                added = await self._replicas.scale(service, replicas)
                await asyncio.gather(*(self._carry_out("start", monitor) for monitor in added))
                yield self._status()
            case {"do": "add", "services": list(services)}:
                await self._add_services(services)
                yield self._status()
            case {"do": "down"}:
                await self.stop()
                yield {"done": True}
            case _:
                raise LocalError(
                    "The supervisor does not know this request.", "It may run another version. Restart the stack."
                )

    async def _watch_gateway(self) -> None:
        """Report it in the status if the gateway rejects an update of its configuration."""
        monitor = self._servers[self._stack.gateway.name]
        admin = Admin(self._stack.gateway_configuration.admin_port)
        await self._rejections.watch(admin, lambda: monitor.status.state is State.READY, self._on_change)

    async def _declare(self) -> None:
        """Declare the topology.

        The program that declares it is started before the broker is ready, so that both load in parallel. It
        waits for the broker on its own.
        """
        databases = self._stack.databases.values()
        await asyncio.gather(*(self._servers[part.name].wait_until_ready(MAX_START_ATTEMPTS) for part in databases))
        early_declaration = asyncio.ensure_future(self._stack.declare())
        try:
            await self._servers["broker"].wait_until_ready(MAX_START_ATTEMPTS)
            try:
                await early_declaration
            except NotReady:  # it may have timed out before the broker was ready
                await self._stack.declare()
        finally:
            early_declaration.cancel()

    async def _start_service(self, name: str, declared: asyncio.Task[None]) -> None:
        needed = [f"{name}-db", "outside", *({"proxy"} & self._servers.keys())]
        await asyncio.gather(*(self._servers[each].wait_until_ready(MAX_START_ATTEMPTS) for each in needed))
        await asyncio.shield(declared)
        await self._replicas.start(name)

    async def _carry_out(self, action: str, monitor: ProcessMonitor) -> None:
        await carry_out(action, monitor, self._stack, self._complete_start)

    async def _complete_start(self, monitor: ProcessMonitor) -> None:
        if monitor.part is self._stack.broker:
            await self._stack.declare()  # the broker may have lost its data
        if (service := monitor.part.name.partition(".")[0]) in self._replicas.services:
            await self._replicas.wait_until_healthy(service)

    async def _add_services(self, services: Iterable[str]) -> None:
        """Run services that were written since the stack started. Nothing else is restarted.

        Raises `LocalError`, and removes the services again, if their topology or routes cannot be declared.
        """
        added = [name for name in services if name not in self._replicas.services]
        try:
            for name in added:
                database = self._stack.add_service(name)
                self._servers[database.name] = ProcessMonitor(database, on_change=self._on_change)
                self._servers[database.name].start()
                self._replicas.add(name)
            self._replicas.register()  # before the gateway is told about the services
            await self._stack.open_links()
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._declare()
            await self._stack.gateway.reload()
        except BaseException as error:
            for name in added:
                await self._replicas.remove(name)
                await self._servers.pop(self._stack.remove_service(name)).close()
            if isinstance(error, TimeoutError):
                what = f"The broker and the databases were not ready within {READY_TIMEOUT_S:.0f} s."
                raise NotReady(what, "See ./marketplace status") from None
            raise
        monitors = [monitor for name in added for monitor in self._replicas.of(name)]
        await asyncio.gather(*(self._carry_out("start", monitor) for monitor in monitors))

    def _monitors_of(self, name: str) -> Iterable[ProcessMonitor]:
        """Return the monitors of a server, one replica (`cart.2`), or all replicas of a service (`cart`).

        Raises `UnknownPart` if there is no part of this name.
        """
        monitors = self._all_monitors()
        if name in monitors:
            return [monitors[name]]
        if name in self._replicas.services:
            return self._replicas.of(name)
        service, _, number = name.partition(".")
        if service in self._replicas.services and number.isdecimal():
            existing = ", ".join(monitor.part.name for monitor in self._replicas.of(service))
            raise UnknownPart(f"There is no replica {name}.", f"There are: {existing}. See `scale`.")
        known = ", ".join([*self._servers, *self._replicas.services])
        raise UnknownPart(f"There is no part {name!r}.", f"Parts: {known}")

    def _all_monitors(self) -> dict[str, ProcessMonitor]:
        return self._servers | self._replicas.by_name()

    def _set_phase(self, phase: Phase, why: str = "") -> None:
        self.phase, self.why = phase, why
        self._on_change()

    def _on_change(self) -> None:
        """Tell the gateway which replicas take requests, at once, and wake all watchers of the status."""
        self._replicas.register()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _stream_status(self) -> AsyncIterator[Message]:
        """Yield the status now, at every change, and at least once a second, until the stack is down."""
        while not self.stopped.is_set():
            changed = self._changed
            yield self._status()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await changed.wait()

    def _status(self) -> Message:
        statuses = {name: monitor.status for name, monitor in self._all_monitors().items()}
        gateway = self._stack.gateway.name
        if statuses[gateway].state is State.READY:
            statuses[gateway] = replace(statuses[gateway], why=self._rejections.text)
        all_ready = all(each.state is State.READY for each in statuses.values())
        return {
            "stack": self._stack.layout.name,
            "phase": Phase.DEGRADED if self.phase is Phase.READY and not all_ready else self.phase,
            "why": self.why,
            "parts": {
                name: asdict(status) | {"rss_bytes": resident_bytes(status.pid) if status.pid else None}
                for name, status in statuses.items()
            },
        }
