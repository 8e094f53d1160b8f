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
    """Publishers are blocked: the broker believes that it has no memory left."""

    name = "memory-alarm"
    about = "The broker believes that its memory is used up, and takes no publish."
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
        return "the node says that its memory alarm is on" if node["mem_alarm"] else ""

    async def end(self, site: Site, fault: Fault) -> None:
        if (await site.parts())["broker"]["state"] == "ready":  # else the broker starts without the alarm
            await rabbitmqctl(site.layout, site.state, "set_vm_memory_high_watermark", *WATERMARK)


class Interruption(Kind):
    """What the broker does to one service at a stroke, and need not undo: the service connects again."""

    momentary = True

    def parts(self, services: Sequence[str]) -> list[str]:
        return list(services)

    def touches(self, part: str) -> Touches:
        return Touches(shared=frozenset({"broker", part}))

    async def end(self, site: Site, fault: Fault) -> None:
        """Do nothing: there is nothing to undo."""


class ClosedConnections(Interruption):
    """Every connection of a service is closed by the broker."""

    name = "closed-connections"
    about = "The broker closes every connection of a service."

    async def begin(self, site: Site, fault: Fault) -> None:
        api = f"{site.state.broker['management']}/api/connections"

        async def theirs() -> list[str]:
            listed: list[dict[str, Any]] = await site.ask("GET", f"{api}?columns=name,user")
            return [each["name"] for each in listed if each["user"] == fault.part]

        names = await until_seen(theirs)  # the management API lists connections a moment late
        for name in names:
            await site.ask("DELETE", f"{api}/{quote(name, safe='')}", **{"X-Reason": "a fault, on purpose"})
        site.notes[fault.id] = f"{len(names)} connections closed" if names else ""


class LostConsumers(Interruption):
    """Every channel of a service, and with it every consumer, is gone from the broker, which tells nobody."""

    name = "lost-consumers"
    about = "The broker forgets a service's channels and consumers, and does not say so."

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
        site.notes[fault.id] = f"{channels} channels ended" if channels else ""


KINDS = (MemoryAlarm(), ClosedConnections(), LostConsumers())
