"""Implements the Request-Timeout header: the number of seconds that the client still waits.

It is relative, so that clocks need not agree. It follows an expired draft
(https://datatracker.ietf.org/doc/html/draft-thomson-hybi-http-timeout), but also allows decimals.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from marketplace_runtime.http.headers import read_header
from marketplace_runtime.http.problems import BadRequest, TimedOut
from marketplace_runtime.resilience import DeadlineExceeded, within

HEADER = "Request-Timeout"
PATTERN = r"^[0-9]{1,5}(\.[0-9]{1,6})?$"
REQUEST_TIMEOUT_S = 10.0
"""Default time limit of a request."""
MIN_TIMEOUT_S = 0.05
"""A request with no more time than this is refused: it would usually be cancelled, and its statement would go on and
keep a database connection in use."""

_SECONDS = re.compile(PATTERN, re.ASCII)


class InvalidTimeout(BadRequest):
    slug, title = "invalid-request-timeout", "A Request-Timeout is a number of seconds, such as 2.5"


def read_timeout_s(request: Request) -> float | None:
    """Return how many seconds the client waits, or None without the header. Raises `InvalidTimeout`."""
    value = read_header(request, HEADER, _SECONDS, InvalidTimeout)
    return None if value is None else float(value)


@asynccontextmanager
async def limit_to_client_timeout(request: Request) -> AsyncIterator[None]:
    """Run the block for as long as the client waits. Raises `TimedOut` when this or any inner deadline expires."""
    seconds = read_timeout_s(request)
    if seconds is not None and seconds <= MIN_TIMEOUT_S:
        raise TimedOut("There was no time left, and nothing was done.")
    try:
        async with within(seconds):
            yield
    except DeadlineExceeded as error:
        if request.method in {"GET", "HEAD"}:
            raise TimedOut("Retry the request.") from error
        raise TimedOut(
            "The request may or may not have taken effect. Retry it with the same Idempotency-Key, and it takes effect"
            " once; without a key, read the current state first."
        ) from error
