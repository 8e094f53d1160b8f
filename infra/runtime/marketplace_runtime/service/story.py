"""Serves one subject's history from the service's own database: `GET /ops/story`."""

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


class PublishedEvent(BaseModel):
    """An event that the service published; it is `pending` until the broker confirms it."""

    event_id: UUID
    type: str
    subject: str
    at: datetime
    causation_id: UUID | None
    pending: bool


class Handled(BaseModel):
    """A subscription handled an event, at this attempt."""

    subscription: str
    event_id: UUID
    attempt: int
    at: datetime


class Incident(BaseModel):
    """An attempt that failed, or a duplicate delivery of an event that was handled before."""

    subscription: str
    event_id: UUID
    type: str
    what: Literal["failed", "duplicate"]
    attempt: int
    why: str
    at: datetime


class Waiting(BaseModel):
    """An event that is scheduled for a subscription: a deadline, or another attempt."""

    subscription: str
    event_id: UUID
    type: str
    due: datetime | None
    attempt: int
    why: str


class Dead(BaseModel):
    """A dead letter: an event that a subscription gave up."""

    id: int
    subscription: str
    event_id: UUID | None
    type: str | None
    reason: str
    error: str
    attempts: int
    at: datetime


class Settled(BaseModel):
    """The decision of an operator about a dead letter."""

    id: int
    subscription: str
    event_id: UUID
    type: str | None
    action: Literal["replayed", "edited", "discarded"]
    by: str
    note: str
    at: datetime


class Story(BaseModel):
    """The history of a subject in one service. Each list is ordered by time and has at most 500 entries."""

    said: list[PublishedEvent]
    handled: list[Handled]
    incidents: list[Incident]
    waiting: list[Waiting]
    dead: list[Dead]
    settled: list[Settled]


@router.get("/story")
async def get_story(_: Operator, tx: Tx, subject: Subject, event: Events = []) -> Story:  # noqa: B006 - FastAPI copies it
    """Return what this service published about `subject`, and how it handled those events and the given ones."""
    return Story.model_validate(await story_queries.query_story(tx, subject, event))
