"""HTTP API for operators: publish again the events that the broker lost, or that could not be published."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from marketplace_runtime.http import Cursor, Operator, Page, PageSize, Router, Tx, Unprocessable
from marketplace_runtime.outbox import republishing, table

router = Router(prefix="/ops", tags=["ops"])

SequenceNumber = Annotated[int, Query(ge=0, le=2**63 - 1)]


class RepublishRequest(BaseModel):
    """Selects events by the time at which they were made, from `since` to `until`, with ids greater than `after`."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime | None = None
    """Default: as far back as consumers still know what they have handled."""
    until: AwareDatetime | None = None
    """Default: now. Give the same time with every chunk, or the chunks also include what is published meanwhile."""
    after: UUID | None = None
    """`after` of the previous answer; null for the first chunk."""


class Queued(BaseModel):
    """One chunk: the number of `events` that will be published again, and where the next chunk begins."""

    events: int
    last: int
    """Sequence number of the last event in the outbox. `GET` tells how many up to it are still `waiting`."""
    after: UUID | None
    """Null if there are no more chunks."""


class UnconfirmedCount(BaseModel):
    """Number of events that the broker has not confirmed yet."""

    waiting: int


class SetAsideEvent(BaseModel):
    """An event that was committed but not published, because the broker or every consumer would refuse it."""

    seq: int
    event_id: UUID
    type: str
    subject: str
    why: str
    at: datetime


class RetryRequest(BaseModel):
    """Selects the events to publish again: those with these sequence numbers, or all if `seqs` is null."""

    model_config = ConfigDict(extra="forbid")

    seqs: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(max_length=1000)] | None = None


class RetryResult(BaseModel):
    """Number of events that were queued to be published again."""

    retried: int


@router.post("/republish")
async def publish_again(request: RepublishRequest, _: Operator, tx: Tx) -> Queued:
    """Queue a chunk of the retained events to be published again.

    Repeating it does no harm, since consumers know the ids.
    """
    now = datetime.now(UTC)
    earliest = republishing.earliest(now)
    since, until = min(request.since or earliest, now), min(request.until or now, now)
    if since < earliest:
        raise Unprocessable(f"Consumers recognise duplicates only since {earliest.isoformat()}: set a later `since`.")
    queued = await republishing.queue_again(tx, since=since, until=max(since, until), after=request.after)
    return Queued(**queued._asdict())


@router.get("/republish")
async def waiting(_: Operator, tx: Tx, last: SequenceNumber) -> UnconfirmedCount:
    """Return how many events, up to the sequence number `last`, are not confirmed yet."""
    return UnconfirmedCount(waiting=await republishing.count_unconfirmed(tx, last))


@router.post("/set-aside/retry")
async def retry_set_aside(_: Operator, tx: Tx, request: RetryRequest) -> RetryResult:
    """Queue events that could not be published before, to be published again."""
    return RetryResult(retried=await table.retry_set_aside(tx, request.seqs))


@router.get("/set-aside")
async def set_aside(_: Operator, tx: Tx, limit: PageSize = 20, cursor: Cursor[int] = None) -> Page[SetAsideEvent]:
    """List the events that could not be published, oldest first."""
    found = [SetAsideEvent(**each) for each in await table.list_set_aside(tx, limit + 1, cursor or 0)]
    return Page[SetAsideEvent].of(found, limit, key=lambda each: each.seq)
