"""One subject's story as a service's own database tells it: `GET /ops/story`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from marketplace_runtime.http import Matching, Operator, Router, Tx
from marketplace_runtime.service import story_queries

router = Router(prefix="/ops", tags=["ops"])

Subject = Annotated[
    str,
    Query(min_length=1, max_length=255, description="such as an order's id"),
    Matching(r"^[^\x00]*$", "Text without NUL."),
]
Events = Annotated[list[UUID], Query(max_length=200, description="ids of the subject's events at other services")]


class Said(BaseModel):
    """An event of the service's own; `pending` until the broker confirmed it."""

    event_id: UUID
    type: str
    subject: str
    at: datetime
    causation_id: UUID | None
    pending: bool


class Handled(BaseModel):
    """A subscription acted on an event, at this attempt."""

    subscription: str
    event_id: UUID
    attempt: int
    at: datetime


class Incident(BaseModel):
    """A run that failed, or a delivery of what was handled before."""

    subscription: str
    event_id: UUID
    type: str
    what: Literal["failed", "duplicate"]
    attempt: int
    why: str
    at: datetime


class Waiting(BaseModel):
    """An event that will be heard when it is due: a deadline, or another attempt."""

    subscription: str
    event_id: UUID
    type: str
    due: datetime | None
    attempt: int
    why: str


class Dead(BaseModel):
    """An event that a subscription gave up."""

    id: int
    subscription: str
    event_id: UUID | None
    type: str | None
    reason: str
    error: str
    attempts: int
    at: datetime


class Settled(BaseModel):
    """What an operator did about an event that had been given up."""

    id: int
    subscription: str
    event_id: UUID
    type: str | None
    action: Literal["replayed", "edited", "discarded"]
    by: str
    note: str
    at: datetime


class Story(BaseModel):
    """Each list in the order of time, 500 entries at most."""

    said: list[Said]
    handled: list[Handled]
    incidents: list[Incident]
    waiting: list[Waiting]
    dead: list[Dead]
    settled: list[Settled]


@router.get("/story")
async def tell_story(_: Operator, tx: Tx, subject: Subject, event: Events = []) -> Story:  # noqa: B006 - FastAPI copies it
    """What this service said about `subject`, and what became of that and of the given events here."""
    return Story.model_validate(await story_queries.of_subject(tx, subject, event))
