"""Registers the replicas of each service, and tells the gateway which of them take requests."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from infra.stack.control_socket import Message
from infra.stack.gateway import Admin, Configuration
from infra.stack.process_monitor import PartStatus, State

IN_ROTATION = (State.READY, State.PAUSED)
"""States in which a replica takes requests. That a process hangs, the gateway must find out itself."""
APPLIED_WITHIN_S, HEALTHY_WITHIN_S = 1.0, 5.0
"""Maximum times to wait for the gateway before a replica is stopped, and after one has started."""
POLL_S = 0.02


@dataclass(frozen=True)
class Replica:
    """A replica as it is registered."""

    service: str
    name: str
    port: int
    """Its own port."""
    gateway_port: int
    """The port at which the gateway reaches it: its own, or that of a link of the fault proxy."""
    status: PartStatus


@dataclass
class Discovery:
    """The registry of replicas. Changes reach the gateway within milliseconds, while it keeps running."""

    configuration: Configuration
    _written: dict[str, list[int]] = field(default_factory=dict)

    @property
    def _admin(self) -> Admin:
        return Admin(self.configuration.admin_port)

    def update(self, replicas: Mapping[str, Iterable[Replica]]) -> None:
        """Write the list of each service whose replicas in rotation have changed."""
        for service, known in replicas.items():
            ports = sorted(each.gateway_port for each in known if each.status.state in IN_ROTATION)
            if self._written.get(service) != ports:
                self.configuration.write_replicas(service, ports)
                self._written[service] = ports

    async def wait_until_applied(self, service: str) -> None:
        """Wait until the gateway uses the list of the service that was last written, for 1 s at most."""
        await self._wait_for(service, "membership_total", APPLIED_WITHIN_S)

    async def wait_until_healthy(self, service: str) -> None:
        """Wait until the gateway sends requests to all replicas in rotation, for 5 s at most."""
        await self._wait_for(service, "membership_healthy", HEALTHY_WITHIN_S)

    async def describe(self, replicas: Mapping[str, Iterable[Replica]]) -> list[Message]:
        """Return every replica for `discovery ls`, with its state and how the gateway sees it."""
        try:
            health = await self._admin.health_by_address()
        except OSError:
            health = {}
        return [
            {
                "service": each.service,
                "replica": each.name,
                "address": f"http://127.0.0.1:{each.port}",
                "gateway": health.get(f"127.0.0.1:{each.gateway_port}", "absent"),
                **{name: value for name, value in asdict(each.status).items() if name in ("state", "since")},
            }
            for known in replicas.values()
            for each in known
        ]

    async def _wait_for(self, service: str, gauge: str, within_s: float) -> None:
        """Wait until a gauge of the gateway is the number of replicas in rotation. If the gateway is down, return."""
        name = f"cluster.{service}.{gauge}"
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(within_s):
                while not await self._shows(name, len(self._written.get(service, ()))):  # noqa: ASYNC110 - Envoy tells nobody
                    await asyncio.sleep(POLL_S)

    async def _shows(self, gauge: str, value: int) -> bool:
        try:
            return (await self._admin.counters(f"^{gauge}$")).get(gauge) == value
        except TimeoutError:  # the machine may be busy
            return False
