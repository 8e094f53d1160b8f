"""Delivers events to the catalog's handlers."""

from catalog.service import SERVICE
from contracts import Event
from marketplace_runtime.database import Database
from tests.integration.one_service import handle


async def receive(database: Database, *events: Event) -> None:
    async with database.transaction() as tx:
        await handle(SERVICE, tx, events)
