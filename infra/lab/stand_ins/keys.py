"""Idempotency keys: their format, the fingerprint of a request's body, and requests in progress by key."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import Header, Path, Query
from pydantic import BaseModel

_PATTERN = r"^[A-Za-z0-9._:~-]{1,255}$"
KeyHeader = Annotated[str, Header(alias="Idempotency-Key", pattern=_PATTERN)]
KeyPath = Annotated[str, Path(pattern=_PATTERN)]
Which = Literal["a", "b"]
"""The payment provider or carrier: there are two of each."""
After = Annotated[int, Query(ge=0, lt=2**63)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def fingerprint(body: BaseModel) -> str:
    """Returns a hash of the body. Equal bodies have the same, whatever their spacing or the order of their members."""
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()


class RequestsInProgress:
    """Counts the requests in progress by key.

    A client that gets the answer "not done" may use another provider. So a request must not get this answer while
    another request with the same key is in progress and may still be carried out.
    """

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def track(self, part: str, key: str) -> Iterator[None]:
        """Counts this request as in progress during the block."""
        self._requests[part, key] += 1
        try:
            yield
        finally:
            self._requests[part, key] -= 1
            if not self._requests[part, key]:
                del self._requests[part, key]

    def is_only_request(self, part: str, key: str) -> bool:
        """Returns whether no other request with this key is in progress."""
        return self._requests[part, key] <= 1
