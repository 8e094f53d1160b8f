"""Headers of our own: sent once and as they should be, or refused."""

import re

from fastapi import Request

from marketplace_runtime.http.problems import BadRequest


def read_header(request: Request, name: str, pattern: re.Pattern[str], refusal: type[BadRequest]) -> str | None:
    """What the request says in this header, if it has it. Raises `refusal` where it says it twice or otherwise."""
    said = request.headers.getlist(name)
    if not said:
        return None
    if len(said) > 1 or not pattern.fullmatch(said[0]):
        raise refusal
    return said[0]
