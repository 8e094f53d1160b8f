"""Defines the HTTP requests and answers with which operators list, select and settle dead letters."""

import json
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from marketplace_runtime.dead_letters.table import MAX_ID
from marketplace_runtime.http import Matching

MAX_LETTERS_PER_REQUEST = 200
"""Maximum number of letters in one transaction. Their bodies have at most 50 MB together."""

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Fingerprint = Annotated[
    str,
    Field(description="`group` of a letter"),
    Matching(r"^g[0-9a-f]{11}$", "This is not the name of a group: take one from GET /ops/dead-letter-groups."),
]
Note = Annotated[str, Field(min_length=1, max_length=1000, description="the reason, stored with the settled letter")]


def _parse_json(value: Any) -> Any:
    """Parse jsonb, which a raw SQL statement returns as text."""
    return json.loads(value) if isinstance(value, str) else value


class Group(BaseModel):
    """Describes a group of dead letters: one subscription, one reason and one kind of error."""

    group: str
    subscription: str
    reason: str
    error: str
    letters: int
    oldest: datetime
    newest: datetime


class DeadLetter(BaseModel):
    """Describes a message that was given up.

    Its body is in `body` if it is UTF-8, else in `body_base64`. Both are null if bodies were not requested.
    """

    id: int
    group: str
    subscription: str
    event_id: UUID | None
    type: str | None
    reason: str
    error: str
    attempts: int
    failed_at: datetime | None
    filed_at: datetime
    headers: Annotated[dict[str, str | int], BeforeValidator(_parse_json)]
    size: int
    body: str | None = None
    body_base64: str | None = None


class SelectionRequest(BaseModel):
    """Selects dead letters: by `ids`, by `group`, or `all`. To continue, pass `after` and `through` of `next`."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_LETTERS_PER_REQUEST)] | None = None
    group: Fingerprint | None = None
    all: bool = False
    after: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    through: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def one_choice(self) -> Self:
        if [self.ids is not None, self.group is not None, self.all].count(True) != 1:
            raise ValueError("give exactly one of ids, group and all")
        return self


class DiscardRequest(SelectionRequest):
    """Selects the dead letters to discard, and gives the reason."""

    note: Note


class RefusedLetter(BaseModel):
    """Names a letter that cannot be redriven, and gives the reason."""

    id: int
    why: str


class NextChunk(BaseModel):
    """Gives the position of the next chunk: repeat the request with this `after` and `through`."""

    after: int
    through: int


class SettlementResult(BaseModel):
    """Reports how many letters of a chunk were settled (or would be, in a dry run), and which were not."""

    settled: int
    refused: list[RefusedLetter]
    missing: list[int]
    """Requested ids that are not in the table of dead letters, or no longer."""
    next: NextChunk | None
    """Where the next chunk begins; null if this was the last one."""


class EditRequest(BaseModel):
    """Gives the correct body of a dead letter, and its event type if that has to change."""

    model_config = ConfigDict(extra="forbid")

    body: dict[str, Any]
    type: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    note: Note = "edited"


class EditedEvent(BaseModel):
    """Names the event that was handed to the subscription in place of the letter."""

    event_id: UUID
    type: str


class SettledLetter(BaseModel):
    """Reports what was done with a dead letter (redriven, edited or discarded), by whom and why."""

    settled: int
    """Serial number of the settlement."""
    id: int
    subscription: str
    event_id: UUID | None
    type: str | None
    reason: str
    error: str
    filed_at: datetime
    action: str
    by: str
    at: datetime
    note: str
