"""Dead letters as operators see and choose them over HTTP."""

import json
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from marketplace_runtime.dead_letters.table import LAST
from marketplace_runtime.http import Matching

CHUNK = 200
"""Letters in one transaction; with bodies, 50 MB at the most."""

Id = Annotated[int, Field(ge=1, le=LAST)]
Fingerprint = Annotated[
    str,
    Field(description="`group` of a letter"),
    Matching(r"^g[0-9a-f]{11}$", "A group is named as GET /ops/dead-letter-groups shows it."),
]
Note = Annotated[str, Field(min_length=1, max_length=1000, description="why, for those who come later")]


def _loaded(value: Any) -> Any:
    """jsonb comes as text from a statement in PostgreSQL's own words."""
    return json.loads(value) if isinstance(value, str) else value


class Group(BaseModel):
    """Letters of one subscription that died of the same kind of error."""

    group: str
    subscription: str
    reason: str
    error: str
    letters: int
    oldest: datetime
    newest: datetime


class DeadLetter(BaseModel):
    """A message that was given up. Its body is text, or base64 where it is not UTF-8, where it was asked for."""

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
    headers: Annotated[dict[str, str | int], BeforeValidator(_loaded)]
    size: int
    body: str | None = None
    body_base64: str | None = None


class Chosen(BaseModel):
    """Which letters: by `ids`, of a `group`, or `all`. `after` and `through` come from `next`."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Id], Field(min_length=1, max_length=CHUNK)] | None = None
    group: Fingerprint | None = None
    all: bool = False
    after: Annotated[int, Field(ge=0, le=LAST)] = 0
    through: Annotated[int, Field(ge=0, le=LAST)] | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def one_choice(self) -> Self:
        if [self.ids is not None, self.group is not None, self.all].count(True) != 1:
            raise ValueError("give exactly one of ids, group and all")
        return self


class Discarding(Chosen):
    note: Note


class Refused(BaseModel):
    id: int
    why: str


class Next(BaseModel):
    after: int
    through: int


class Outcome(BaseModel):
    """How many letters were settled (or would be, in a dry run), and which stay on file."""

    settled: int
    refused: list[Refused]
    missing: list[int]
    """Ids that are not on file, or not any more."""
    next: Next | None


class Mending(BaseModel):
    """What the letter should have been."""

    model_config = ConfigDict(extra="forbid")

    body: dict[str, Any]
    type: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    note: Note = "edited"


class Mended(BaseModel):
    event_id: UUID
    type: str


class Settled(BaseModel):
    """What became of a letter, who did it, and why."""

    settled: int
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
