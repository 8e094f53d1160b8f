"""The fault of a burst of traffic: more customers than usual."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from infra.lab.chaos.fault import Fault, Kind, ResourceNeeds
from infra.lab.chaos.site import Site
from infra.lab.simulator import Endpoints, FlashSale, Meter, SetUpFailed, Shop, Traffic, running_shop
from infra.stack import LocalError

MAX_OVERRUN_S = 15.0
"""Maximum seconds to wait, at the end of the fault, for the remaining buyers of the sale."""
SCARCE_PRODUCT_INDEX = 7
"""Index of a product of which the simulator stocks few units."""


class Burst(Kind):
    """Starts a flash sale of one scarce product."""

    name = "burst"
    about = "Many customers order one scarce product at the same moment."
    outlives_process = False
    duration_range_s = (6.0, 10.0)

    @property
    def defaults(self) -> dict[str, float]:
        return {"buyers": 60}

    def parts(self, services: Sequence[str]) -> list[str]:
        return ["traffic"]

    def needed_resources(self, part: str) -> ResourceNeeds:
        return ResourceNeeds(exclusive=frozenset({"traffic"}), shared=frozenset({"cart", "gateway"}))

    async def begin(self, site: Site, fault: Fault) -> None:
        buyers, exit_stack = int(self.option(fault, "buyers")), site.exit_stack_of(fault.id)
        shop = site.shop
        if shop is None:
            shop = await exit_stack.enter_async_context(_open_own_shop(site, buyers))
        sale = FlashSale(shop, place=SCARCE_PRODUCT_INDEX, buyers=buyers, first_number=int(fault.id, 16) * 1000)
        sale_task = asyncio.create_task(sale.run())
        site.notes[fault.id] = sale, sale_task
        exit_stack.callback(sale_task.cancel)

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        """Return the number of accepted orders, once all buyers have ordered or given up, or after `MAX_OVERRUN_S`.

        The end of the fault cancels the remaining buyers. Without this wait, they would not compete for the product.
        """
        sale, sale_task = site.notes[fault.id]
        await asyncio.wait({sale_task}, timeout=MAX_OVERRUN_S)
        accepted = sale.accepted
        return f"{accepted} orders of the burst accepted" if accepted else ""

    async def end(self, site: Site, fault: Fault) -> None:
        await site.release(fault.id)


@asynccontextmanager
async def _open_own_shop(site: Site, buyers: int) -> AsyncIterator[Shop]:
    """Yield a shop with products and customers, for a burst without simulator traffic. It is recorded for the audit."""
    traffic = Traffic(rate=max(1, buyers / 10), duration_s=1, seed=0, record=site.layout.record)
    try:
        async with running_shop(Endpoints.of(site.state), traffic, Meter(), lambda _: None) as shop:
            yield shop
    except SetUpFailed as error:
        raise LocalError(str(error), "Is everything up? ./marketplace heal") from error


KINDS = (Burst(),)
