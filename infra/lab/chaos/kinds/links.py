"""Network faults between a service and the gateway, its broker, its database or a stand-in, by the fault proxy."""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.lab.chaos.fault import Fault, Kind, ResourceNeeds
from infra.lab.chaos.kinds.dials import DIAL_PARTS, SECOND_CHOICE
from infra.lab.chaos.proxy.link import is_named
from infra.lab.chaos.site import Site
from infra.stack import LocalError

GATEWAY = "gateway"
"""A part `gateway:cart` stands for the gateway's connections to all replicas of a service."""


@dataclass(frozen=True)
class LinkFault(Kind):
    """Sets one toxic of a link of the fault proxy. Its end clears the link's toxics."""

    name: str
    about: str
    toxic: str
    counter: str
    """Name of the counter of the proxy that grows when the fault takes effect."""
    value: float | bool

    duration_range_s = (4.0, 9.0)

    @property
    def defaults(self) -> dict[str, float]:
        return {} if self.value is True else {self.toxic: self.value}

    def parts(self, services: Sequence[str]) -> list[str]:
        own = [f"{service}:{peer}" for service in services for peer in ("broker", "db")]
        return [*own, *(f"{GATEWAY}:{service}" for service in services), *DIAL_PARTS]

    def random_parts(self, services: Sequence[str]) -> list[str]:
        return [part for part in self.parts(services) if part not in SECOND_CHOICE]

    def needed_resources(self, part: str) -> ResourceNeeds:
        service, _, peer = part.partition(":")
        if service == GATEWAY:
            return ResourceNeeds(exclusive=frozenset({part}), shared=frozenset({GATEWAY, peer}))
        ends = {service, f"{service}-db" if peer == "db" else "broker"} if peer else {"outside", "broker"}
        return ResourceNeeds(exclusive=frozenset({part}), shared=frozenset(ends))

    async def begin(self, site: Site, fault: Fault) -> None:
        if not site.state.proxy:
            raise LocalError(
                "The stack has no fault proxy.",
                "Restart it with one: ./marketplace down, then ./marketplace up -d --faultable",
            )
        site.notes[fault.id] = await self._read_counter(site, fault)
        value = True if self.value is True else self.option(fault, self.toxic)
        await site.request("PUT", _link(site, fault), {self.toxic: value})

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        times = await self._read_counter(site, fault) - site.notes.get(fault.id, 0)
        return f"{self.counter} {times} times" if times > 0 else ""

    async def end(self, site: Site, fault: Fault) -> None:
        if site.state.proxy:
            await site.request("DELETE", _link(site, fault))

    async def _read_counter(self, site: Site, fault: Fault) -> int:
        links = await site.request("GET", f"{site.state.proxy}/links")
        counts = [link["counts"] for name, link in links.items() if is_named(name, fault.part)]
        return sum(int(each.get(self.counter, 0)) for each in counts)


def _link(site: Site, fault: Fault) -> str:
    return f"{site.state.proxy}/links/{fault.part}"


KINDS = (
    LinkFault("latency", "Bytes arrive late.", "latency_ms", "delayed", 150),
    LinkFault("jitter", "Bytes arrive with a delay that varies.", "jitter_ms", "delayed", 300),
    LinkFault("bandwidth", "Few bytes per second are forwarded.", "bytes_per_s", "throttled", 20_000),
    LinkFault("black-hole", "Nothing is forwarded, and neither side gets an error.", "black_hole", "stalled", True),
    LinkFault("reset", "Connections are reset, including new ones.", "reset", "reset", True),
    LinkFault("half-open", "Only the server's side of connections is reset.", "half_open", "half_open", True),
)
