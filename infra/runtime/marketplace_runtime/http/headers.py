"""Reads the request headers that this runtime defines, and refuses repeated or malformed ones."""

import re

from fastapi import Request

from marketplace_runtime.http.problems import BadRequest


def read_header(request: Request, name: str, pattern: re.Pattern[str], refusal: type[BadRequest]) -> str | None:
    """Return the header's value, or None without the header. Raises `refusal` if it is repeated or malformed."""
    values = request.headers.getlist(name)
    if not values:
        return None
    if len(values) > 1 or not pattern.fullmatch(values[0]):
        raise refusal
    return values[0]
