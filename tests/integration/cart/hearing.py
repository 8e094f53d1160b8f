"""Lets the cart hear events."""

from datetime import datetime

from cart.service import SERVICE
from contracts import Event
from marketplace_runtime.database import Database
from tests.integration.alone import handle


async def hear(database: Database, *events: Event) -> None:
    async with database.transaction() as tx:
        await handle(SERVICE, tx, events)


async def deadlines(database: Database) -> list[datetime]:
    """When the cart will look at carts again."""
    async with database.transaction() as tx:
        rows = await tx.execute("select due from messaging.scheduled where subscription = 'abandonment' order by due")
    return [due for (due,) in rows]
