"""Supervises the parts of one stack: starts them, restarts them after crashes, and carries out people's requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from enum import StrEnum

from infra.stack.control_socket import Message
from infra.stack.errors import LocalError, NotReady, UnknownPart
from infra.stack.maintenance_responder import MaintenanceResponder
from infra.stack.memory import resident_bytes
from infra.stack.part import Part
from infra.stack.process_monitor import ProcessMonitor, State
from infra.stack.stack import Stack

MOST_REPLICAS = 16
ATTEMPTS = 3
"""Number of times that a server may end before it is ready. After that the start of the stack has failed."""
ORDER_WITHIN_S = 60.0


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
        self._news = asyncio.Condition()
        self._telling: set[asyncio.Task[None]] = set()
        self.stopped = asyncio.Event()
        self.phase, self.why = Phase.STARTING, ""
        servers = [stack.broker, *stack.databases.values(), stack.outside, *([stack.proxy] if stack.proxy else [])]
        self._servers = {part.name: self._keep(part) for part in servers}
        self._replicas: dict[str, dict[int, ProcessMonitor]] = {
            name: {1: self._keep(stack.service(name, 1))} for name in stack.programs.services
        }
        self._absences = {name: MaintenanceResponder(name, stack.http_port(name)) for name in self._replicas}
        self._covering = [asyncio.create_task(self._cover(name)) for name in self._replicas]

    async def start(self) -> None:
        """Start everything. A `LocalError` is not raised, but reported in `phase` (FAILED) and `why`."""
        for server in self._servers.values():
            server.start()
        try:
            async with asyncio.TaskGroup() as group:
                declared = group.create_task(self._declare())
                for name in self._replicas:
                    group.create_task(self._start_service(name, declared))
        except* LocalError as errors:
            first = errors.exceptions[0]
            self._enter(Phase.FAILED, f"{first} {getattr(first, 'remedy', '')}")
        else:
            self._enter(Phase.READY)

    async def stop(self) -> None:
        """Stop everything, the services first. A second call waits until the first has finished."""
        if self.phase is Phase.STOPPING:
            await self.stopped.wait()
            return
        self._enter(Phase.STOPPING)
        for covering in self._covering:
            covering.cancel()
        services = [keeper for replicas in self._replicas.values() for keeper in replicas.values()]
        await asyncio.gather(*(keeper.close() for keeper in services))
        await asyncio.gather(*(keeper.close() for keeper in self._servers.values()))
        self.stopped.set()
        self._tell()

    async def answers(self, request: Message) -> AsyncIterator[Message]:
        """Carry out one request of the command line, and yield the answers. Raises `LocalError` if it is refused."""
        match request:
            case {"do": "status"}:
                yield self._status()
            case {"do": "watch"}:
                async for status in self._watch():
                    yield status
            case {"do": "kill" | "pause" | "resume" | "start" | "stop" | "restart" as what, "part": str(part)}:
                await asyncio.gather(*(self._order(what, keeper) for keeper in self._called(part)))
                yield self._status()
            case {"do": "scale", "service": str(service), "replicas": int(replicas)}:
                await self._scale(service, replicas)
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

        The declaring program starts early, so that it loads while the broker starts. It waits for the broker itself.
        """
        databases = self._stack.databases.values()
        await asyncio.gather(*(self._servers[part.name].until_ready(ATTEMPTS) for part in databases))
        early = asyncio.ensure_future(self._stack.declare())
        try:
            await self._servers["broker"].until_ready(ATTEMPTS)
            try:
                await early
            except NotReady:  # it may have timed out before the broker was ready
                await self._stack.declare()
        finally:
            early.cancel()

    async def _start_service(self, name: str, declared: asyncio.Task[None]) -> None:
        needed = [f"{name}-db", "outside", *({"proxy"} & self._servers.keys())]
        await asyncio.gather(*(self._servers[each].until_ready(ATTEMPTS) for each in needed))
        await asyncio.shield(declared)
        for keeper in list(self._replicas[name].values()):
            keeper.start()
            await keeper.until_ready()

    async def _order(self, what: str, keeper: ProcessMonitor) -> None:
        if keeper.part.name in self._stack.state.given and what not in ("start", "resume"):
            raise LocalError(f"{keeper.part.name} runs elsewhere: its address was given.", f"Where it runs, {what} it.")
        if what == "kill":
            await keeper.kill()
        if what == "pause":
            keeper.pause()
        if what == "resume":
            keeper.resume()
        if what in ("stop", "restart"):
            await keeper.stop()
        if what in ("start", "restart"):
            keeper.start()
            try:
                async with asyncio.timeout(ORDER_WITHIN_S):
                    await keeper.until_ready()
                    if keeper.part is self._stack.broker:
                        await self._stack.declare()  # the broker may have lost its data
            except TimeoutError:
                name, condition = keeper.part.name, keeper.condition
                log = self._stack.layout.log(name)
                raise NotReady(
                    f"{name} is not ready after {ORDER_WITHIN_S:.0f} s ({condition.state}). {condition.why}".strip(),
                    f"The supervisor continues to start it. See {log}",
                ) from None

    async def _scale(self, service: str, replicas: int) -> None:
        if service not in self._replicas:
            known = ", ".join(self._replicas)
            raise UnknownPart(f"There is no service {service!r}.", f"Services: {known}")
        if not 1 <= replicas <= MOST_REPLICAS:
            raise LocalError(f"{service} cannot have {replicas} replicas.", f"Choose 1 to {MOST_REPLICAS}.")
        running = self._replicas[service]
        for number in sorted(running)[replicas:]:
            await running.pop(number).close()
            self._stack.forget_replica(service, number)
        added = []
        for number in range(1, replicas + 1):
            if number not in running:
                running[number] = self._keep(self._stack.service(service, number))
                added.append(running[number])
        await asyncio.gather(*(self._order("start", keeper) for keeper in added))

    def _called(self, name: str) -> Iterable[ProcessMonitor]:
        """Return the monitors of a server, one replica (`cart.2`), or all replicas of a service (`cart`).

        Raises `UnknownPart` if there is no part of this name.
        """
        keepers = self._keepers()
        if name in keepers:
            return [keepers[name]]
        if name in self._replicas:
            return self._replicas[name].values()
        service, _, number = name.partition(".")
        if service in self._replicas and number.isdecimal():
            there = ", ".join(keeper.part.name for keeper in self._replicas[service].values())
            raise UnknownPart(f"There is no replica {name}.", f"There are: {there}. See `scale`.")
        raise UnknownPart(f"There is no part {name!r}.", f"Parts: {', '.join([*self._servers, *self._replicas])}")

    def _keepers(self) -> dict[str, ProcessMonitor]:
        services = (keeper for replicas in self._replicas.values() for keeper in replicas.values())
        return self._servers | {keeper.part.name: keeper for keeper in services}

    def _keep(self, part: Part) -> ProcessMonitor:
        return ProcessMonitor(part, changed=self._tell)

    def _enter(self, phase: Phase, why: str = "") -> None:
        self.phase, self.why = phase, why
        self._tell()

    async def _cover(self, service: str) -> None:
        """Run the maintenance responder, which answers at a service's port while no replica does."""

        def own_ports() -> list[int]:
            return [self._stack.own_port(service, number) for number in self._replicas[service]]

        try:
            await self._absences[service].cover(lambda: self._is_served(service), own_ports, self._news)
        finally:
            self._absences[service].end()

    def _is_served(self, service: str) -> bool:
        """Return whether a replica is ready or paused. A paused replica keeps its port open."""
        states = {keeper.condition.state for keeper in self._replicas[service].values()}
        return bool(states & {State.READY, State.PAUSED})

    def _tell(self) -> None:
        """Notify all watchers of a change.

        Maintenance responders of services that are served again stop at once, before the watchers run.
        """
        for service, absence in self._absences.items():
            if self._is_served(service):
                absence.end()
        task = asyncio.ensure_future(self._notify())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _watch(self) -> AsyncIterator[Message]:
        """Yield the status now, at every change, and at least once a second, until the stack is down."""
        while not self.stopped.is_set():
            yield self._status()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1), self._news:
                    await self._news.wait()

    def _status(self) -> Message:
        conditions = {name: keeper.condition for name, keeper in self._keepers().items()}
        all_ready = all(each.state is State.READY for each in conditions.values())
        return {
            "stack": self._stack.layout.name,
            "phase": Phase.DEGRADED if self.phase is Phase.READY and not all_ready else self.phase,
            "why": self.why,
            "parts": {
                name: asdict(condition) | {"rss_bytes": resident_bytes(condition.pid) if condition.pid else None}
                for name, condition in conditions.items()
            },
        }
