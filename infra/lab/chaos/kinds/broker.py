"""Faults of the broker: a memory alarm, closed connections, and lost consumers."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from infra.lab.chaos.fault import Fault, Kind, ResourceNeeds
from infra.lab.chaos.polling import poll_until_truthy
from infra.lab.chaos.site import Site
from infra.stack.rabbitmqctl import rabbitmqctl

WATERMARK = ("absolute", "1GB")
"""The value in the configuration of the stack's own broker, to be restored."""


class MemoryAlarm(Kind):
    """Raises the broker's memory alarm, which blocks publishers."""

    name = "memory-alarm"
    about = "The broker's memory alarm is on, and blocks all publishers."
    duration_range_s = (4.0, 10.0)

    def parts(self, services: Sequence[str]) -> list[str]:
        return ["broker"]

    def server(self, part: str) -> str:
        return "broker"

    def needed_resources(self, part: str) -> ResourceNeeds:
        return ResourceNeeds(exclusive=frozenset({"broker:memory"}), shared=frozenset({"broker"}))

    async def begin(self, site: Site, fault: Fault) -> None:
        await rabbitmqctl(site.layout, site.state, "set_vm_memory_high_watermark", "0")
        await poll_until_truthy(lambda: self.observe_effect(site, fault))

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        [node] = await site.request("GET", f"{site.state.broker['management']}/api/nodes?columns=mem_alarm")
        return "the node's memory alarm is on" if node["mem_alarm"] else ""

    async def end(self, site: Site, fault: Fault) -> None:
        if (await site.parts())["broker"]["state"] == "ready":  # else the broker starts without the alarm
            await rabbitmqctl(site.layout, site.state, "set_vm_memory_high_watermark", *WATERMARK)


class Interruption(Kind):
    """A momentary fault of the broker. Nothing needs to be undone, because the service reconnects."""

    is_momentary = True

    def parts(self, services: Sequence[str]) -> list[str]:
        return list(services)

    def needed_resources(self, part: str) -> ResourceNeeds:
        return ResourceNeeds(shared=frozenset({"broker", part}))

    async def end(self, site: Site, fault: Fault) -> None:
        """Do nothing: there is nothing to undo."""


class ClosedConnections(Interruption):
    """Makes the broker close every connection of a service."""

    name = "closed-connections"
    about = "The broker closes every connection of a service."

    async def begin(self, site: Site, fault: Fault) -> None:
        api = f"{site.state.broker['management']}/api/connections"

        async def list_connections() -> list[str]:
            listed: list[dict[str, Any]] = await site.request("GET", f"{api}?columns=name,user")
            return [each["name"] for each in listed if each["user"] == fault.part]

        names = await poll_until_truthy(list_connections)  # the management API lists new connections late
        for name in names:
            await site.request("DELETE", f"{api}/{quote(name, safe='')}", **{"X-Reason": "injected fault"})
        site.notes[fault.id] = f"{len(names)} connections closed" if names else ""


class LostConsumers(Interruption):
    """Shuts down every channel of a service inside the broker, with its consumers. The client is not notified."""

    name = "lost-consumers"
    about = "The broker loses a service's channels and consumers, and does not notify the service."

    def server(self, part: str) -> str:
        return "broker"

    async def begin(self, site: Site, fault: Fault) -> None:
        shutdown_code = (
            f'L = [P || P <- rabbit_channel:list_local(), {{user, <<"{fault.part}">>}} =:= '
            "hd(rabbit_channel:info(P, [user]))], [rabbit_channel:shutdown(P) || P <- L], length(L)."
        )

        async def shut_down_channels() -> int:
            return int(await rabbitmqctl(site.layout, site.state, "eval", shutdown_code))

        channels = await poll_until_truthy(shut_down_channels)
        site.notes[fault.id] = f"{channels} channels shut down" if channels else ""


KINDS = (MemoryAlarm(), ClosedConnections(), LostConsumers())
