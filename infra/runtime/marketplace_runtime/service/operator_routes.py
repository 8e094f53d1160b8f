"""What an operator may ask of any service: numbers, and events that were set aside."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from marketplace_runtime.database import Transaction
from marketplace_runtime.http import Cursor, Operator, Page, PageSize, Router, Tx
from marketplace_runtime.service import operator_queries

router = Router(prefix="/ops", tags=["ops"])

Rebuild = Callable[[Transaction], Awaitable[int]]


class Counts(BaseModel):
    """`published`, `handled` and `retried` ever; `dead`, `set_aside`, `pending` and `scheduled` now."""

    published: int
    handled: int
    retried: int
    dead: int
    set_aside: int
    pending: int
    scheduled: int


class SetAside(BaseModel):
    """An event that was committed and is not published, since nobody could take it as it is."""

    seq: int
    event_id: UUID
    type: str
    subject: str
    why: str
    at: datetime


class Backlog(BaseModel):
    """What waits at the moment. Cheap, unlike `Counts`: no table of these keeps what is done."""

    pending: int
    oldest_s: float
    set_aside: int
    scheduled: int
    retrying: int
    """Messages that failed or were put off, and are retried."""
    retrying_oldest_s: float
    dead: int


class Retrying(BaseModel):
    """Which events to publish again: those with these numbers, or all without any."""

    model_config = ConfigDict(extra="forbid")

    seqs: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(max_length=1000)] | None = None


class Retried(BaseModel):
    """How many events wait to be published again."""

    retried: int


class Rebuilt(BaseModel):
    """How many aggregates were folded from their journals."""

    rebuilt: int


def rebuilding(rebuild: Rebuild) -> Router:
    """`POST /ops/rebuild`, for a service with a read model that its journal can make anew."""
    one = Router(prefix="/ops", tags=["ops"])

    @one.post("/rebuild")
    async def rebuild_read_model(_: Operator, tx: Tx) -> Rebuilt:
        """Readers see the old rows until it is done; use cases wait."""
        return Rebuilt(rebuilt=await rebuild(tx))

    return one


@router.get("/counts")
async def counts(_: Operator, tx: Tx) -> Counts:
    return Counts(**await operator_queries.counts(tx))


@router.get("/backlog")
async def backlog(_: Operator, tx: Tx) -> Backlog:
    return Backlog(**await operator_queries.counts_now(tx))


@router.post("/set-aside/retry")
async def retry_set_aside(_: Operator, tx: Tx, retrying: Retrying) -> Retried:
    """Have the relay publish events once more that could not be published before."""
    return Retried(retried=await operator_queries.retry_set_aside(tx, retrying.seqs))


@router.get("/set-aside")
async def set_aside(_: Operator, tx: Tx, limit: PageSize = 20, cursor: Cursor[int] = None) -> Page[SetAside]:
    """Oldest first."""
    found = [SetAside(**each) for each in await operator_queries.set_aside(tx, limit + 1, cursor or 0)]
    return Page[SetAside].of(found, limit, key=lambda each: each.seq)
