"""Helpers that test one service alone: its database, and its handlers as the runtime calls them."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from contracts import Event
from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import Database, Transaction, make_partitions, migrate
from marketplace_runtime.service import Service

MESSAGING = ("outbox", "outbox_pending", "scheduled", "idempotency_keys")


async def database_of(service: Service, postgres: PrivatePostgres) -> DatabaseUrls:
    """Create a database named after the service; other services use the same server."""
    urls = await postgres.create_database(f"{service.name}_alone")
    await migrate(urls.owner, app_url=urls.app, migrations=service.migrations)
    return urls


@asynccontextmanager
async def emptied(service: Service, urls: DatabaseUrls, *tables: str) -> AsyncIterator[Database]:
    """Yield the service's database after emptying its messaging tables and `tables`, in this order."""
    database = Database(urls.app, source=service.name, internal_subscriptions=service.internal_subscriptions)
    async with database.transaction() as tx:
        await make_partitions(tx)
        for table in (*tables, *(f"messaging.{name}" for name in MESSAGING)):
            await tx.execute(f"delete from {table}")
    yield database
    await database.close()


async def handle(service: Service, tx: Transaction, events: Sequence[Event]) -> None:
    """Run the service's handlers on `events` as one batch, as the runtime does."""
    reactions = {type: reaction for each in service.subscriptions for type, reaction in each.reactions.items()}
    for type in {event.type: None for event in events}:
        load = reactions[type].load
        assert load is not None
        await load([event for event in events if event.type == type], tx)
    for event in events:
        react = reactions[event.type].handle
        assert react is not None
        await react(event, tx)


async def published_events(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """Return type and body of every pending event, in the order in which the relay will publish them."""
    async with database.transaction() as tx:
        rows = await tx.execute(
            "select o.type, o.body from messaging.outbox_pending p join messaging.outbox o using (event_id, type)"
            " order by p.seq"
        )
    return [(type.split(".")[1], json.loads(body)) for type, body in rows]
