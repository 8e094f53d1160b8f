"""Many people who want the same thing at the same moment."""

import asyncio
import time

from infra.lab.simulator.script import CheckOut, Put, Script
from infra.lab.simulator.session import Session
from infra.lab.simulator.shop import Shop


class FlashSale:
    """So many customers order `units_each` of the product at this place at once.

    Their session numbers begin at `first_number`; no other session may have them.
    """

    def __init__(self, shop: Shop, *, place: int, buyers: int, first_number: int, units_each: int = 1) -> None:
        self._script = Script("buy", (Put(0.0, place, units_each), CheckOut(0.0)))
        self._sessions = [Session(shop, first_number + each) for each in range(buyers)]

    @property
    def accepted(self) -> int:
        """Checkouts of theirs that were accepted so far."""
        return sum(session.order_id is not None for session in self._sessions)

    async def run(self) -> None:
        """Returns when each of them has ordered, or given up."""
        began = time.monotonic()
        await asyncio.gather(*(each.act(self._script, began) for each in self._sessions), return_exceptions=True)
