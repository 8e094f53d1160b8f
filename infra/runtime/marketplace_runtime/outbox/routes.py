"""Publishing again what was published before: after the broker lost its data."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from marketplace_runtime.http import Operator, Router, Tx, Unprocessable
from marketplace_runtime.outbox import republishing

router = Router(prefix="/ops/republish", tags=["ops"])

Place = Annotated[int, Query(ge=0, le=2**63 - 1)]


class Span(BaseModel):
    """Which events, by when they were made: from `since` to `until`, beyond the id `after`."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime | None = None
    """Without it, as far back as consumers still know what they have handled."""
    until: AwareDatetime | None = None
    """Without it, all there are. Give it, so as not to run after events that are being said meanwhile."""
    after: UUID | None = None
    """`after` of the answer before."""


class Queued(BaseModel):
    """One chunk: how many `events` will be published again, and where the next chunk begins."""

    events: int
    last: int
    """The place up to which the relay has to come; ask how many up to it are `waiting`."""
    after: UUID | None
    """Null when there are no more."""


class Waiting(BaseModel):
    """How many events the broker has not confirmed yet."""

    waiting: int


@router.post("")
async def publish_again(span: Span, _: Operator, tx: Tx) -> Queued:
    """Queue a chunk of the retained events for the relay. Repeating it does no harm: consumers know the ids."""
    now = datetime.now(UTC)
    earliest = republishing.earliest(now)
    since, until = min(span.since or earliest, now), min(span.until or now, now)
    if since < earliest:
        raise Unprocessable(f"Consumers know what they have handled since {earliest.isoformat()}: ask for later ones.")
    queued = await republishing.queue_again(tx, since=since, until=max(since, until), after=span.after)
    return Queued(**queued._asdict())


@router.get("")
async def waiting(_: Operator, tx: Tx, last: Place) -> Waiting:
    """How far the relay has come, up to the place `last`."""
    return Waiting(waiting=await republishing.waiting(tx, last))
