"""Faults of the external stand-ins: payment providers, carriers and the mail server.

The stand-ins are slow, refuse requests, do not answer, or lose their answers. Each has a fault dial: settings that are
changed over HTTP, such as its latency and the share of requests that it refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from infra.lab.chaos.fault import Fault, Kind, ResourceNeeds
from infra.lab.chaos.site import Site

PAYMENTS = ("payments-a", "payments-b")
SECOND_CHOICE = ("payments-b", "carriers-b")
"""The second provider and carrier. Services call them only after the first has failed."""
HTTP_PARTS = (*PAYMENTS, "carriers-a", "carriers-b")
DIAL_PARTS = (*HTTP_PARTS, "mail")


@dataclass(frozen=True)
class DialFault(Kind):
    """Sets one field of a stand-in's dial. Its end resets the dial."""

    name: str
    about: str
    field: str
    counter: str
    """Name of the counter of the stand-in that grows when the fault takes effect."""
    value: float
    possible_parts: tuple[str, ...] = DIAL_PARTS

    duration_range_s = (5.0, 10.0)

    @property
    def defaults(self) -> dict[str, float]:
        return {self.field: self.value}

    def parts(self, services: Sequence[str]) -> list[str]:
        return list(self.possible_parts)

    def random_parts(self, services: Sequence[str]) -> list[str]:
        return [part for part in self.possible_parts if part not in SECOND_CHOICE]

    def needed_resources(self, part: str) -> ResourceNeeds:
        """Need a working broker: while it is down, services make no external calls."""
        return ResourceNeeds(exclusive=frozenset({part}), shared=frozenset({"outside", "broker"}))

    async def begin(self, site: Site, fault: Fault) -> None:
        site.notes[fault.id] = await self._read_counter(site, fault)
        await site.request("PUT", _dial(site, fault), {self.field: self.option(fault, self.field)})

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        requests = await self._read_counter(site, fault) - site.notes.get(fault.id, 0)
        return f"{requests} requests {self.counter}" if requests > 0 else ""

    async def end(self, site: Site, fault: Fault) -> None:
        try:
            await site.request("DELETE", _dial(site, fault))
        except aiohttp.ClientConnectionError:
            return  # the stand-ins are down, and reset every dial when they start

    async def _read_counter(self, site: Site, fault: Fault) -> int:
        counts: dict[str, Any] = await site.request("GET", f"{_dial(site, fault)}/counts")
        return int(counts.get(self.counter, 0))


def _dial(site: Site, fault: Fault) -> str:
    return f"{site.state.outside}/dials/{fault.part}"


KINDS = (
    DialFault("slow", "Requests are answered late.", "latency_ms", "delayed", 1500),
    DialFault("errors", "Requests are refused, and not carried out.", "error_rate", "failed", 0.7),
    DialFault("hang", "Requests are neither carried out nor answered.", "hang_rate", "hung", 0.7),
    DialFault("throttle", "Requests are answered with 429.", "throttle_rate", "throttled", 0.7, HTTP_PARTS),
    DialFault("declines", "Charges are declined.", "decline_rate", "declined", 0.7, PAYMENTS),
    DialFault("lost-answers", "Requests are carried out, but their answers are lost.", "lost_answer_rate", "lost", 0.6),
)
