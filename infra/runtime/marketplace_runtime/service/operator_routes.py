"""Defines the operator routes for counts of messages, and for the rebuild of a read model."""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from marketplace_runtime.database import Transaction
from marketplace_runtime.http import Operator, Router, Tx
from marketplace_runtime.service import operator_queries

router = Router(prefix="/ops", tags=["ops"])

Rebuild = Callable[[Transaction], Awaitable[int]]


class Counts(BaseModel):
    """Counts of a service's messages.

    `published` and `handled` count all events that are retained; `retried` is the number of retries of handled ones.
    `dead`, `set_aside` (unpublishable events), `pending` and `scheduled` count what is there now.
    """

    published: int
    handled: int
    retried: int
    dead: int
    set_aside: int
    pending: int
    scheduled: int


class Backlog(BaseModel):
    """What waits now. Unlike `Counts` it is cheap to count: none of these tables keeps completed work."""

    pending: int
    oldest_s: float
    """Seconds since the oldest pending event was written to the outbox."""
    set_aside: int
    """Unpublishable events."""
    scheduled: int
    retrying: int
    """Messages that failed or were postponed, and will be retried."""
    retrying_oldest_s: float
    """Seconds since the first of them failed."""
    dead: int


class Rebuilt(BaseModel):
    """The number of aggregates that were rebuilt from their journals."""

    rebuilt: int


def rebuild_routes(rebuild: Rebuild) -> Router:
    """Return the route `POST /ops/rebuild`, for a service that can rebuild its read model from its journal."""
    routes = Router(prefix="/ops", tags=["ops"])

    @routes.post("/rebuild")
    async def rebuild_read_model(_: Operator, tx: Tx) -> Rebuilt:
        """Rebuild the read model from its journal. Readers see the old rows until it is done; use cases wait."""
        return Rebuilt(rebuilt=await rebuild(tx))

    return routes


@router.get("/counts")
async def counts(_: Operator, tx: Tx) -> Counts:
    """Return the counts of this service's messages."""
    return Counts(**await operator_queries.count_messages(tx))


@router.get("/backlog")
async def backlog(_: Operator, tx: Tx) -> Backlog:
    """Return what waits in this service now."""
    return Backlog(**await operator_queries.count_backlog(tx))
