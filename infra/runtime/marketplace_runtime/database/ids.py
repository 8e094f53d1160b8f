"""Makes and checks identifiers that sort by time: UUIDv7 (RFC 9562)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

MAX_EVENT_AGE = timedelta(days=7)
"""Maximum age of an event, by its id, at which its message is accepted. Its inbox partition is kept for longer."""
MAX_CLOCK_AHEAD = timedelta(hours=1)
"""Maximum by which a publisher's clock may run ahead of ours."""


def new_id() -> UUID:
    """Return a new UUIDv7 by this machine's clock. Within a process, later ones compare greater."""
    return uuid_utils.compat.uuid7()


def id_at(time_s: float) -> UUID:
    """Return a new UUIDv7 for a time in seconds since the epoch. Ids of the same millisecond are in no order."""
    return uuid_utils.compat.uuid7(nanoseconds=int(time_s * 1000) * 1_000_000)


def time_of(id: UUID) -> datetime:
    """Return the time at which a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)


def find_id_defect(id: UUID, now: datetime) -> tuple[str, str] | None:
    """Return the dead-letter reason and the error text of an id that cannot be deduplicated; None if it can."""
    if id.version != 7:
        return "unusable-id", f"event id {id} is no UUIDv7"
    if is_too_old(id, now):
        return (
            "too-old",
            (
                f"event id {id} was made more than {MAX_EVENT_AGE.days} days ago, too long to detect a duplicate;"
                " the dead letter can still be redriven"
            ),
        )
    if is_ahead(id, now, MAX_CLOCK_AHEAD):
        return (
            "from-the-future",
            f"event id {id} lies more than {MAX_CLOCK_AHEAD} in the future: the publisher's clock is wrong",
        )
    return None


def is_too_old(id: UUID, now: datetime) -> bool:
    """Return whether the id is older than `MAX_EVENT_AGE`. Consumers dead-letter messages with such ids."""
    return (id.int >> 80) <= (now - MAX_EVENT_AGE).timestamp() * 1000


def is_ahead(id: UUID, now: datetime, by: timedelta) -> bool:
    """Return whether the id lies `by` or more in the future, that is, whether its publisher's clock runs ahead."""
    return (id.int >> 80) >= (now + by).timestamp() * 1000


def has_daily_partition(id: UUID, now: datetime) -> bool:
    """Return whether the inbox and the incidents certainly have a partition for the day on which this id was made."""
    return id.version == 7 and not is_too_old(id, now) and not is_ahead(id, now, MAX_CLOCK_AHEAD)
