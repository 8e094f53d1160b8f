"""Lets the catalog hear events as one batch, as the runtime does."""

import json
from collections.abc import Sequence
from typing import Any

from catalog.service import SERVICE
from contracts import Event
from infra.storage import Database, Transaction

REACTIONS = {type: reaction for each in SERVICE.hears for type, reaction in each.reactions.items()}


async def hear(database: Database, *events: Event) -> None:
    async with database.transaction() as tx:
        await handle(tx, events)


async def handle(tx: Transaction, events: Sequence[Event]) -> None:
    for type in {event.type: None for event in events}:
        load = REACTIONS[type].load
        assert load is not None
        await load([event for event in events if event.type == type], tx)
    for event in events:
        react = REACTIONS[event.type].handle
        assert react is not None
        await react(event, tx)


async def said(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """Type and body of everything that was said, in the order in which it will be published."""
    async with database.transaction() as tx:
        rows = await tx.execute(
            "select o.type, o.body from messaging.outbox_pending p join messaging.outbox o using (event_id, type)"
            " order by p.seq"
        )
    return [(type.split(".")[1], json.loads(body)) for type, body in rows]
