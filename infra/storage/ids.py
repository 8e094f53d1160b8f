"""Identifiers that sort by time: UUIDv7 (RFC 9562)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

HORIZON = timedelta(days=7)
"""How far back an event's id may lie when its message is taken in; its inbox partition is kept for longer."""
AHEAD = timedelta(minutes=5)
"""How far a publisher's clock may run ahead of ours."""


def new_id() -> UUID:
    """A new UUIDv7; within a process later ones compare greater."""
    return uuid_utils.compat.uuid7()


def time_of(id: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)


def why_unusable(id: UUID, now: datetime) -> str | None:
    """The reason why an event id can't be deduplicated, or None if it can."""
    if id.version != 7:
        return f"event id {id} is no UUIDv7"
    made_ms = id.int >> 80
    if not (now - HORIZON).timestamp() * 1000 < made_ms < (now + AHEAD).timestamp() * 1000:
        return f"event id {id} was made outside the last {HORIZON.days} days"
    return None


def is_past_horizon(id: UUID, now: datetime) -> bool:
    """Whether no other delivery of this event would be taken in any more: it is in one place only."""
    return (id.int >> 80) <= (now - HORIZON).timestamp() * 1000
