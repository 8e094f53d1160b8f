"""Supervises the parts of one stack: starts them, restarts them after crashes, and carries out people's requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, replace
from enum import StrEnum

from infra.stack.control_socket import Message
from infra.stack.discovery import Discovery, Replica
from infra.stack.errors import LocalError, NotReady, UnknownPart
from infra.stack.gateway import Admin, Rejections
from infra.stack.memory import resident_bytes
from infra.stack.part import Part
from infra.stack.process_monitor import ProcessMonitor, State
from infra.stack.stack import Stack

MAX_REPLICAS = 16
MAX_START_ATTEMPTS = 3
"""Number of times that a server may end before it is ready. After that the start of the stack has failed."""
READY_TIMEOUT_S = 60.0
GATEWAY_CHECK_S = 1.0


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
        self._status_changed = asyncio.Condition()
        self._notifications: set[asyncio.Task[None]] = set()
        self.stopped = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.phase, self.why = Phase.STARTING, ""
        self._discovery = Discovery(stack.gateway_configuration)
        self._rejections = Rejections()
        self._replicas: dict[str, dict[int, ProcessMonitor]] = {}
        proxy = [stack.proxy] if stack.proxy else []
        servers = [stack.gateway, stack.broker, *stack.databases.values(), stack.stand_ins, *proxy]
        self._servers = {part.name: self._monitor(part) for part in servers}
        for name in stack.programs.services:
            self._replicas[name] = {1: self._replica_monitor(name, 1)}

    async def start(self) -> None:
        """Start everything. A `LocalError` is not raised, but reported in `phase` (FAILED) and `why`."""
        self._discovery.update(self._registered())
        self._watching = asyncio.create_task(self._watch_gateway())
        for server in self._servers.values():
            server.start()
        try:
            async with asyncio.TaskGroup() as group:
                declared = group.create_task(self._declare())
                group.create_task(self._servers[self._stack.gateway.name].wait_until_ready(MAX_START_ATTEMPTS))
                for name in self._replicas:
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
        service_monitors = [monitor for replicas in self._replicas.values() for monitor in replicas.values()]
        await asyncio.gather(*(monitor.close() for monitor in service_monitors))
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
            case {"do": "kill" | "pause" | "resume" | "start" | "stop" | "restart" as action, "part": str(part)}:
                await asyncio.gather(*(self._carry_out(action, monitor) for monitor in self._monitors_of(part)))
                yield self._status()
            case {"do": "discovery"}:
                yield {"replicas": await self._discovery.describe(self._registered())}
            case {"do": "scale", "service": str(service), "replicas": int(replicas)}:
                await self._scale(service, replicas)
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
        for monitor in list(self._replicas[name].values()):
            monitor.start()
            await monitor.wait_until_ready()
        await self._discovery.wait_until_healthy(name)

    async def _carry_out(self, action: str, monitor: ProcessMonitor) -> None:
        if monitor.part.name in self._stack.state.given and action not in ("start", "resume"):
            raise LocalError(
                f"{monitor.part.name} runs elsewhere: its address was given.", f"On its own machine, {action} it."
            )
        if action == "kill":
            await monitor.kill()
        if action == "pause":
            monitor.pause()
        if action == "resume":
            monitor.resume()
        if action in ("stop", "restart"):
            await monitor.stop()
        if action in ("start", "restart"):
            monitor.start()
            try:
                async with asyncio.timeout(READY_TIMEOUT_S):
                    await monitor.wait_until_ready()
                    if monitor.part is self._stack.broker:
                        await self._stack.declare()  # the broker may have lost its data
                    if (service := monitor.part.name.partition(".")[0]) in self._replicas:
                        await self._discovery.wait_until_healthy(service)
            except TimeoutError:
                name, status = monitor.part.name, monitor.status
                log = self._stack.layout.log(name)
                raise NotReady(
                    f"{name} is not ready after {READY_TIMEOUT_S:.0f} s ({status.state}). {status.why}".strip(),
                    f"The supervisor continues to start it. See {log}",
                ) from None

    async def _scale(self, service: str, replicas: int) -> None:
        if service not in self._replicas:
            known = ", ".join(self._replicas)
            raise UnknownPart(f"There is no service {service!r}.", f"Services: {known}")
        if not 1 <= replicas <= MAX_REPLICAS:
            raise LocalError(f"{service} cannot have {replicas} replicas.", f"Choose 1 to {MAX_REPLICAS}.")
        running = self._replicas[service]
        for number in sorted(running)[replicas:]:
            await running.pop(number).close()
            self._stack.remove_replica(service, number)
        added = []
        for number in range(1, replicas + 1):
            if number not in running:
                running[number] = self._replica_monitor(service, number)
                added.append(running[number])
        await self._stack.open_links()
        await asyncio.gather(*(self._carry_out("start", monitor) for monitor in added))

    async def _add_services(self, services: Iterable[str]) -> None:
        """Run services that were written since the stack started. Nothing else is restarted.

        Raises `LocalError`, and removes the services again, if their topology or routes cannot be declared.
        """
        added = [name for name in services if name not in self._replicas]
        try:
            for name in added:
                database = self._stack.add_service(name)
                self._servers[database.name] = self._monitor(database)
                self._replicas[name] = {1: self._replica_monitor(name, 1)}
                self._servers[database.name].start()
            self._discovery.update(self._registered())  # before the gateway is told about the services
            await self._stack.open_links()
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._declare()
            await self._stack.gateway.reload()
        except BaseException as error:
            for name in added:
                await self._replicas.pop(name)[1].close()
                await self._servers.pop(self._stack.remove_service(name)).close()
            if isinstance(error, TimeoutError):
                what = f"The broker and the databases were not ready within {READY_TIMEOUT_S:.0f} s."
                raise NotReady(what, "See ./marketplace status") from None
            raise
        await asyncio.gather(*(self._carry_out("start", self._replicas[name][1]) for name in added))

    def _monitors_of(self, name: str) -> Iterable[ProcessMonitor]:
        """Return the monitors of a server, one replica (`cart.2`), or all replicas of a service (`cart`).

        Raises `UnknownPart` if there is no part of this name.
        """
        monitors = self._all_monitors()
        if name in monitors:
            return [monitors[name]]
        if name in self._replicas:
            return self._replicas[name].values()
        service, _, number = name.partition(".")
        if service in self._replicas and number.isdecimal():
            existing = ", ".join(monitor.part.name for monitor in self._replicas[service].values())
            raise UnknownPart(f"There is no replica {name}.", f"There are: {existing}. See `scale`.")
        raise UnknownPart(f"There is no part {name!r}.", f"Parts: {', '.join([*self._servers, *self._replicas])}")

    def _all_monitors(self) -> dict[str, ProcessMonitor]:
        service_monitors = (monitor for replicas in self._replicas.values() for monitor in replicas.values())
        return self._servers | {monitor.part.name: monitor for monitor in service_monitors}

    def _monitor(self, part: Part) -> ProcessMonitor:
        return ProcessMonitor(part, on_change=self._on_change)

    def _set_phase(self, phase: Phase, why: str = "") -> None:
        self.phase, self.why = phase, why
        self._on_change()

    def _replica_monitor(self, service: str, number: int) -> ProcessMonitor:
        """Return the monitor of a replica. Before it is stopped, the gateway must no longer send it requests."""

        async def drain() -> None:
            await self._discovery.wait_until_applied(service)

        return ProcessMonitor(self._stack.service(service, number), on_change=self._on_change, drain=drain)

    def _registered(self) -> dict[str, list[Replica]]:
        """Return the replicas of each service, as the gateway needs to know them."""
        return {
            service: [
                Replica(
                    service,
                    monitor.part.name,
                    self._stack.http_port(service, number),
                    self._stack.gateway_port(service, number),
                    monitor.status,
                )
                for number, monitor in replicas.items()
            ]
            for service, replicas in self._replicas.items()
        }

    async def _watch_gateway(self) -> None:
        """Report it in the status if the gateway rejects an update of its configuration."""
        admin, monitor = Admin(self._stack.gateway_configuration.admin_port), self._servers[self._stack.gateway.name]
        known = ""
        while True:
            if monitor.status.state is not State.READY:
                self._rejections.forget()
            with contextlib.suppress(OSError):
                await self._rejections.check(admin)
            if (text := self._rejections.text) != known:
                known = text
                self._on_change()
            await asyncio.sleep(GATEWAY_CHECK_S)

    def _on_change(self) -> None:
        """Tell the gateway which replicas take requests, at once, and then notify all watchers."""
        self._discovery.update(self._registered())
        task = asyncio.ensure_future(self._notify())
        self._notifications.add(task)
        task.add_done_callback(self._notifications.discard)

    async def _notify(self) -> None:
        async with self._status_changed:
            self._status_changed.notify_all()

    async def _stream_status(self) -> AsyncIterator[Message]:
        """Yield the status now, at every change, and at least once a second, until the stack is down."""
        while not self.stopped.is_set():
            yield self._status()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1), self._status_changed:
                    await self._status_changed.wait()

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
