"""Incidents: what went wrong with an event on its way, kept for whoever asks for its story."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from infra.storage.ids import why_unusable
from infra.storage.text import storable
from infra.storage.transaction import Transaction

INSERT = """
insert into messaging.incidents (event_id, subscription, type, what, attempt, why)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[])
"""


@dataclass(frozen=True, slots=True)
class Incident:
    """A run that failed, was put off or was given up, or a delivery of what was handled before."""

    event_id: UUID
    subscription: str
    type: str
    what: Literal["failed", "duplicate"]
    attempt: int
    why: str


async def note(tx: Transaction, incidents: Sequence[Incident]) -> None:
    """Keep `incidents`, with the transaction's time.

    Those of events from outside the horizon, which may wait in the schedule, are left out: they may have no partition.
    """
    now = datetime.now(UTC)
    kept = [each for each in incidents if why_unusable(each.event_id, now) is None]
    if not kept:
        return
    await tx.execute(
        INSERT,
        [each.event_id for each in kept],
        [each.subscription for each in kept],
        [each.type for each in kept],
        [each.what for each in kept],
        [each.attempt for each in kept],
        [storable(each.why[:1000]) for each in kept],
    )
