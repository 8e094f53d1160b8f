"""The Request-Timeout header: how many seconds the client still waits. Relative, so that no clocks need agree.

After an expired draft (https://datatracker.ietf.org/doc/html/draft-thomson-hybi-http-timeout), with decimals.
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
"""What a request is given where nobody says otherwise."""
LEAST_S = 0.05
"""For less nothing is begun: it would mostly be cut off, and that costs a connection to the database."""

_SECONDS = re.compile(PATTERN, re.ASCII)


class InvalidTimeout(BadRequest):
    slug, title = "invalid-request-timeout", "A Request-Timeout is a number of seconds, such as 2.5"


def seconds_of(request: Request) -> float | None:
    """How long the client waits, if it says so. Raises `InvalidTimeout`."""
    said = read_header(request, HEADER, _SECONDS, InvalidTimeout)
    return None if said is None else float(said)


@asynccontextmanager
async def of_client(request: Request) -> AsyncIterator[None]:
    """Work on a request while its client waits. Raises `TimedOut` when any deadline within is over."""
    seconds = seconds_of(request)
    if seconds is not None and seconds <= LEAST_S:
        raise TimedOut("There was no time left, and nothing was done.")
    try:
        async with within(seconds):
            yield
    except DeadlineExceeded as error:
        if request.method in {"GET", "HEAD"}:
            raise TimedOut("Ask again.") from error
        raise TimedOut(
            "It may or may not have been done. Ask again under the same Idempotency-Key, and it is done once;"
            " without one, look first."
        ) from error
