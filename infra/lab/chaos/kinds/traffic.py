"""Customers as a fault: more of them than usual."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from infra.lab.chaos.fault import Fault, Kind, Touches
from infra.lab.chaos.site import Site
from infra.lab.simulator import Endpoints, FlashSale, Meter, SetUpFailed, Shop, Traffic, opened
from infra.stack import LocalError

RUSH_S = 15.0
"""How long a sale goes on after its time, where the house is slow."""
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
        buyers, held = int(self.option(fault, "buyers")), site.hold(fault.id)
        shop = site.shop
        if shop is None:
            shop = await held.enter_async_context(_shop_of_its_own(site, buyers))
        sale = FlashSale(shop, place=SCARCE_PLACE, buyers=buyers, first_number=int(fault.id, 16) * 1000)
        rushing = asyncio.create_task(sale.run())
        site.notes[fault.id] = sale, rushing
        held.callback(rushing.cancel)

    async def bite(self, site: Site, fault: Fault) -> str:
        """Say what came of it, once everybody has ordered or given up: who is cut off before competes for nothing."""
        sale, rushing = site.notes[fault.id]
        await asyncio.wait({rushing}, timeout=RUSH_S)
        accepted = sale.accepted
        return f"{accepted} of its orders accepted" if accepted else ""

    async def end(self, site: Site, fault: Fault) -> None:
        await site.let_go(fault.id)


@asynccontextmanager
async def _shop_of_its_own(site: Site, buyers: int) -> AsyncIterator[Shop]:
    """Products and customers for a burst to which nobody else has let any in; noted for the audit, as all are."""
    traffic = Traffic(rate=max(1, buyers / 10), duration_s=1, seed=0, record=site.layout.record)
    try:
        async with opened(Endpoints.of(site.state), traffic, Meter(), lambda _: None) as shop:
            yield shop
    except SetUpFailed as error:
        raise LocalError(str(error), "Is everything up? ./marketplace heal") from error


KINDS = (Burst(),)
