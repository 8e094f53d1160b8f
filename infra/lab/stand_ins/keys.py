"""Idempotency keys: what they look like, what was asked under them, and which are being worked on."""

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
"""There are two providers of everything."""
After = Annotated[int, Query(ge=0, lt=2**63)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def fingerprint(body: BaseModel) -> str:
    """Equal for equal bodies, whatever their spacing or the order of their members."""
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()


class UnderWay:
    """Which keys are being worked on just now.

    A "no, that was not done" must be true for the key, not only for this request: it may not be said while
    another request with the same key could still be done.
    """

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def working_on(self, part: str, key: str) -> Iterator[None]:
        """Counts this request as one that may still be done."""
        self._requests[part, key] += 1
        try:
            yield
        finally:
            self._requests[part, key] -= 1
            if not self._requests[part, key]:
                del self._requests[part, key]

    def alone(self, part: str, key: str) -> bool:
        """Whether this request is the only one with its key."""
        return self._requests[part, key] <= 1
