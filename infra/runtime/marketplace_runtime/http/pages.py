"""Defines pages of lists, their cursors, and parameters that routes share."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, TypeAdapter, WithJsonSchema
from pydantic_core import to_json

from marketplace_runtime.events import PersonId
from marketplace_runtime.http.body import parse_json
from marketplace_runtime.http.matching import Matching
from marketplace_runtime.http.problems import Problem

T = TypeVar("T")

MAX_CURSOR_LENGTH = 512
"""Maximum length of a cursor in characters."""

PageSize = Annotated[int, Query(ge=1, le=100, description="items in a page")]
"""Maximum number of items in a page. Give it a default: `limit: PageSize = 20`."""

_PERSON = TypeAdapter[str](PersonId).json_schema()

PersonPath = Annotated[
    str,
    Path(description=_PERSON["description"]),
    Matching(_PERSON["pattern"], "1 to 64 letters, digits, dots, hyphens and underscores."),
]
"""A person's id in a path: the subject of that person's token."""


def encode_cursor(position: object) -> str:
    """Return an opaque cursor for a position in a list: a UUID, an integer, a text, or a tuple of these."""
    return urlsafe_b64encode(to_json(position)).rstrip(b"=").decode()


def decode_cursor(cursor: object) -> Any:
    """Return a cursor's position as a JSON value, or None for None. Raises ValueError if the cursor is invalid."""
    if cursor is None:
        return None
    try:
        if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR_LENGTH:
            raise ValueError(cursor)
        position = parse_json(
            b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        if position is None:  # null would restart the list
            raise ValueError(cursor)
        return position
    except (ValueError, Problem):
        raise ValueError("not a cursor of an earlier page") from None


Cursor = Annotated[
    T | None,
    Query(description="`next_cursor` of the page before"),
    BeforeValidator(decode_cursor),
    WithJsonSchema({"type": "string", "maxLength": MAX_CURSOR_LENGTH}),
]
"""The position after which a page begins. `T` is the type of a position: `cursor: Cursor[UUID] = None`.

Invalid cursors are answered 422.
"""


class Page(BaseModel, Generic[T]):
    """One page of a list, with the cursor of the next page."""

    items: list[T]
    next_cursor: str | None = None
    """Pass it as `cursor` to get the next page; null on the last page."""

    @classmethod
    def of(cls, found: Sequence[T], limit: int, *, key: Callable[[T], object]) -> Self:
        """Return a page of the first `limit` items of `found`. If `found` has more items, there is a next page.

        `key` returns an item's position. The next page begins after the position of the last item.
        """
        items = list(found[:limit])
        return cls(items=items, next_cursor=encode_cursor(key(items[-1])) if len(found) > limit else None)
