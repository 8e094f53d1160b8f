"""Many people who want the same thing at the same moment."""

import asyncio
import time

from infra.simulator.script import CheckOut, Put, Script
from infra.simulator.session import Session
from infra.simulator.shop import Shop


async def flash_sale(shop: Shop, *, place: int, buyers: int, first_number: int) -> int:
    """So many customers order the product at this place at once; returns how many checkouts were accepted.

    Their session numbers begin at `first_number`; no other session may have them.
    """
    script = Script("buy", (Put(0.0, place, 1), CheckOut(0.0)))
    sessions = [Session(shop, first_number + each) for each in range(buyers)]
    await asyncio.gather(*(session.act(script, time.monotonic()) for session in sessions), return_exceptions=True)
    return sum(session.order_id is not None for session in sessions)
