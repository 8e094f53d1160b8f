"""What operators may ask of the outbox: publish again what the broker lost, and what could not be published."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from marketplace_runtime.http import Cursor, Operator, Page, PageSize, Router, Tx, Unprocessable
from marketplace_runtime.outbox import republishing, table

router = Router(prefix="/ops", tags=["ops"])

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


class SetAside(BaseModel):
    """An event that was committed and is not published, since nobody could take it as it is."""

    seq: int
    event_id: UUID
    type: str
    subject: str
    why: str
    at: datetime


class Retrying(BaseModel):
    """Which events to publish again: those with these numbers, or all without any."""

    model_config = ConfigDict(extra="forbid")

    seqs: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(max_length=1000)] | None = None


class Retried(BaseModel):
    """How many events wait to be published again."""

    retried: int


@router.post("/republish")
async def publish_again(span: Span, _: Operator, tx: Tx) -> Queued:
    """Queue a chunk of the retained events for the relay. Repeating it does no harm: consumers know the ids."""
    now = datetime.now(UTC)
    earliest = republishing.earliest(now)
    since, until = min(span.since or earliest, now), min(span.until or now, now)
    if since < earliest:
        raise Unprocessable(f"Consumers know what they have handled since {earliest.isoformat()}: ask for later ones.")
    queued = await republishing.queue_again(tx, since=since, until=max(since, until), after=span.after)
    return Queued(**queued._asdict())


@router.get("/republish")
async def waiting(_: Operator, tx: Tx, last: Place) -> Waiting:
    """How far the relay has come, up to the place `last`."""
    return Waiting(waiting=await republishing.waiting(tx, last))


@router.post("/set-aside/retry")
async def retry_set_aside(_: Operator, tx: Tx, retrying: Retrying) -> Retried:
    """Have the relay publish events once more that could not be published before."""
    return Retried(retried=await table.retry_set_aside(tx, retrying.seqs))


@router.get("/set-aside")
async def set_aside(_: Operator, tx: Tx, limit: PageSize = 20, cursor: Cursor[int] = None) -> Page[SetAside]:
    """Oldest first."""
    found = [SetAside(**each) for each in await table.set_aside(tx, limit + 1, cursor or 0)]
    return Page[SetAside].of(found, limit, key=lambda each: each.seq)
