"""What an operator may ask of any service: numbers, and to rebuild its read model."""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from marketplace_runtime.database import Transaction
from marketplace_runtime.http import Operator, Router, Tx
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
