"""Faults of the broker: a memory alarm, closed connections, and lost consumers."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from infra.lab.chaos.fault import Fault, Kind, Touches
from infra.lab.chaos.polling import until_seen
from infra.lab.chaos.site import Site
from infra.stack.rabbitmqctl import rabbitmqctl

WATERMARK = ("absolute", "1GB")
"""The value in the configuration of the stack's own broker, to be restored."""


class MemoryAlarm(Kind):
    """Raises the broker's memory alarm, which blocks publishers."""

    name = "memory-alarm"
    about = "The broker's memory alarm is on, and blocks all publishers."
    seconds = (4.0, 10.0)

    def parts(self, services: Sequence[str]) -> list[str]:
        return ["broker"]

    def server(self, part: str) -> str:
        return "broker"

    def touches(self, part: str) -> Touches:
        return Touches(alone=frozenset({"broker:memory"}), shared=frozenset({"broker"}))

    async def begin(self, site: Site, fault: Fault) -> None:
        await rabbitmqctl(site.layout, site.state, "set_vm_memory_high_watermark", "0")
        await until_seen(lambda: self.bite(site, fault))

    async def bite(self, site: Site, fault: Fault) -> str:
        [node] = await site.ask("GET", f"{site.state.broker['management']}/api/nodes?columns=mem_alarm")
        return "the node's memory alarm is on" if node["mem_alarm"] else ""

    async def end(self, site: Site, fault: Fault) -> None:
        if (await site.parts())["broker"]["state"] == "ready":  # else the broker starts without the alarm
            await rabbitmqctl(site.layout, site.state, "set_vm_memory_high_watermark", *WATERMARK)


class Interruption(Kind):
    """A momentary fault of the broker. Nothing needs to be undone, because the service reconnects."""

    momentary = True

    def parts(self, services: Sequence[str]) -> list[str]:
        return list(services)

    def touches(self, part: str) -> Touches:
        return Touches(shared=frozenset({"broker", part}))

    async def end(self, site: Site, fault: Fault) -> None:
        """Do nothing: there is nothing to undo."""


class ClosedConnections(Interruption):
    """Makes the broker close every connection of a service."""

    name = "closed-connections"
    about = "The broker closes every connection of a service."

    async def begin(self, site: Site, fault: Fault) -> None:
        api = f"{site.state.broker['management']}/api/connections"

        async def theirs() -> list[str]:
            listed: list[dict[str, Any]] = await site.ask("GET", f"{api}?columns=name,user")
            return [each["name"] for each in listed if each["user"] == fault.part]

        names = await until_seen(theirs)  # the management API lists new connections late
        for name in names:
            await site.ask("DELETE", f"{api}/{quote(name, safe='')}", **{"X-Reason": "injected fault"})
        site.notes[fault.id] = f"{len(names)} connections closed" if names else ""


class LostConsumers(Interruption):
    """Shuts down every channel of a service inside the broker, with its consumers. The client is not notified."""

    name = "lost-consumers"
    about = "The broker loses a service's channels and consumers, and does not notify the service."

    def server(self, part: str) -> str:
        return "broker"

    async def begin(self, site: Site, fault: Fault) -> None:
        end_them = (
            f'L = [P || P <- rabbit_channel:list_local(), {{user, <<"{fault.part}">>}} =:= '
            "hd(rabbit_channel:info(P, [user]))], [rabbit_channel:shutdown(P) || P <- L], length(L)."
        )

        async def ended() -> int:
            return int(await rabbitmqctl(site.layout, site.state, "eval", end_them))

        channels = await until_seen(ended)
        site.notes[fault.id] = f"{channels} channels shut down" if channels else ""


KINDS = (MemoryAlarm(), ClosedConnections(), LostConsumers())
