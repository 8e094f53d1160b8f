"""Identifiers that sort by time: UUIDv7 (RFC 9562)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

HORIZON = timedelta(days=7)
"""How far back an event's id may lie when its message is taken in; its inbox partition is kept for longer."""
AHEAD = timedelta(hours=1)
"""How far a publisher's clock may run ahead of ours."""


def new_id() -> UUID:
    """A new UUIDv7 by this machine's clock; within a process later ones compare greater."""
    return uuid_utils.compat.uuid7()


def id_at(time_s: float) -> UUID:
    """A new UUIDv7 of this time since the epoch; those of one millisecond are in no order."""
    return uuid_utils.compat.uuid7(nanoseconds=int(time_s * 1000) * 1_000_000)


def time_of(id: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)


def why_unusable(id: UUID, now: datetime) -> tuple[str, str] | None:
    """Why a message with this event id cannot be deduplicated: a short stable word and a sentence. None if it can."""
    if id.version != 7:
        return "unusable-id", f"event id {id} is no UUIDv7"
    if is_past_horizon(id, now):
        return "too-old", f"event id {id} was made more than {HORIZON.days} days ago; it can be replayed under this id"
    if is_ahead(id, now, AHEAD):
        return "from-the-future", f"event id {id} is made more than {AHEAD} ahead: the publisher's clock is wrong"
    return None


def is_past_horizon(id: UUID, now: datetime) -> bool:
    """Whether no other delivery of this event would be taken in any more: it is in one place only."""
    return (id.int >> 80) <= (now - HORIZON).timestamp() * 1000


def is_ahead(id: UUID, now: datetime, by: timedelta) -> bool:
    """Whether this id was made later than `by` from now, so by a clock that runs ahead."""
    return (id.int >> 80) >= (now + by).timestamp() * 1000


def has_partition(id: UUID, now: datetime) -> bool:
    """Whether the inbox certainly has a partition for this event."""
    return id.version == 7 and not is_past_horizon(id, now) and not is_ahead(id, now, AHEAD)
