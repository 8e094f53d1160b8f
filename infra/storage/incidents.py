"""Incidents: what went wrong with an event on its way, kept for whoever asks for its story."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from infra.storage.texts import storable
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
    """Keep `incidents`, with the transaction's time."""
    await tx.execute(
        INSERT,
        [each.event_id for each in incidents],
        [each.subscription for each in incidents],
        [each.type for each in incidents],
        [each.what for each in incidents],
        [each.attempt for each in incidents],
        [storable(each.why[:1000]) for each in incidents],
    )
