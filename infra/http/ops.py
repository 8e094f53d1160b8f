"""What an operator may ask of any service: numbers and dead letters."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator

from infra.http.callers import Operator
from infra.http.pages import Cursor, Page, PageSize
from infra.http.transactional import Router, Tx
from infra.storage import Transaction, ops

router = Router(prefix="/ops", tags=["ops"])

Rebuild = Callable[[Transaction], Awaitable[int]]


class Counts(BaseModel):
    """`published`, `handled`, `retried` and `dead` ever; `pending` and `scheduled` now."""

    published: int
    handled: int
    retried: int
    dead: int
    pending: int
    scheduled: int


def _loaded(value: Any) -> Any:
    """jsonb comes as text from a statement in PostgreSQL's own words."""
    return json.loads(value) if isinstance(value, str) else value


class DeadLetter(BaseModel):
    """A message that was given up; its body is not shown here."""

    id: int
    subscription: str
    event_id: UUID | None
    type: str | None
    reason: str
    error: str
    attempts: int
    failed_at: datetime | None
    filed_at: datetime
    headers: Annotated[dict[str, str | int], BeforeValidator(_loaded)]
    size: int


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
    return Counts(**await ops.counts(tx))


@router.get("/dead-letters")
async def dead_letters(_: Operator, tx: Tx, limit: PageSize = 20, cursor: Cursor[int] = None) -> Page[DeadLetter]:
    """Oldest first."""
    found = await ops.dead_letters(tx, limit + 1, cursor or 0)
    return Page[DeadLetter].of([DeadLetter(**each) for each in found], limit, key=lambda letter: letter.id)
