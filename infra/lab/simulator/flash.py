"""Simulates a flash sale: many customers order the same product at the same moment."""

import asyncio
import time

from infra.lab.simulator.script import CheckOut, Put, Script
from infra.lab.simulator.session import Session
from infra.lab.simulator.shop import Shop


class FlashSale:
    """`buyers` customers each order `units_each` of the product at `place` on the shelf, all at once.

    Their session numbers are consecutive from `first_number`. No other session may use these numbers.
    """

    def __init__(self, shop: Shop, *, place: int, buyers: int, first_number: int, units_each: int = 1) -> None:
        self._script = Script("buy", (Put(0.0, place, units_each), CheckOut(0.0)))
        self._sessions = [Session(shop, first_number + each) for each in range(buyers)]

    @property
    def accepted(self) -> int:
        """Number of this sale's checkouts that were accepted so far."""
        return sum(session.order_id is not None for session in self._sessions)

    async def run(self) -> None:
        """Run all sessions. Returns when every buyer has ordered or given up."""
        began = time.monotonic()
        await asyncio.gather(*(each.run(self._script, began) for each in self._sessions), return_exceptions=True)
