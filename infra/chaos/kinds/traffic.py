"""Customers as a fault: more of them than usual."""

import asyncio
from collections.abc import Sequence

from infra.chaos.fault import Fault, Kind, Touches
from infra.chaos.site import Site
from infra.local import LocalError
from infra.simulator import flash_sale

SCARCE_PLACE = 7
"""A product of which the simulator's shelf has few."""


class Burst(Kind):
    """A flash sale on one scarce product."""

    name = "burst"
    about = "Many customers order one scarce product at the same moment."
    lasts = False
    seconds = (6.0, 10.0)

    @property
    def defaults(self) -> dict[str, float]:
        return {"buyers": 60}

    def parts(self, services: Sequence[str]) -> list[str]:
        return ["traffic"]

    def touches(self, part: str) -> Touches:
        return Touches(alone=frozenset({"traffic"}), shared=frozenset({"cart"}))

    async def begin(self, site: Site, fault: Fault) -> None:
        if site.shop is None:
            raise LocalError("A burst needs customers.", "Have it in a run: ./marketplace chaos run flash-sale")
        buyers = int(self.option(fault, "buyers"))
        site.notes[fault.id] = len(site.shop.book.orders)
        rush = flash_sale(site.shop, place=SCARCE_PLACE, buyers=buyers, first_number=int(fault.id, 16) * 1000)
        rushing = asyncio.create_task(rush)
        site.hold(fault.id).callback(rushing.cancel)

    async def bite(self, site: Site, fault: Fault) -> str:
        if site.shop is None:
            return ""
        accepted = len(site.shop.book.orders) - int(site.notes[fault.id])
        return f"{accepted} orders accepted meanwhile" if accepted > 0 else ""

    async def end(self, site: Site, fault: Fault) -> None:
        await site.let_go(fault.id)


KINDS = (Burst(),)
