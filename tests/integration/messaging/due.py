"""Schedules retries that are due."""

from datetime import UTC, datetime, timedelta

from contracts import Envelope, Event
from marketplace_runtime.database import Database, ScheduleEntry, new_id
from marketplace_runtime.telemetry import new_traceparent


async def schedule_due(database: Database, *events: Event) -> None:
    """Schedule `events` as retries that are due now."""
    now = datetime.now(UTC)
    async with database.transaction() as tx:
        for event in events:
            envelope = Envelope(new_id(), event.type, "cart", event.subject, now, new_traceparent())
            tx.schedule_entry(
                ScheduleEntry(
                    "carts", envelope, event.model_dump_json().encode(), timedelta(0), attempt=2, why="it was away"
                )
            )
