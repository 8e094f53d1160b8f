"""Delivers events to the cart's handlers."""

from datetime import datetime

from cart.service import SERVICE
from contracts import Event
from marketplace_runtime.database import Database
from tests.integration.one_service import handle


async def receive(database: Database, *events: Event) -> None:
    async with database.transaction() as tx:
        await handle(SERVICE, tx, events)


async def deadlines(database: Database) -> list[datetime]:
    """Return when the cart's abandonment deadlines are due."""
    async with database.transaction() as tx:
        rows = await tx.execute("select due from messaging.scheduled where subscription = 'abandonment' order by due")
    return [due for (due,) in rows]
