"""Reads which HTTP routes the services expose, as `python -m marketplace_runtime exposed SERVICE…` prints it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from infra.stack.errors import LocalError


@dataclass(frozen=True)
class ExposedRoute:
    """One method of one path that clients may use."""

    method: str
    path: str
    """With a name in braces for each segment that varies, such as `/orders/{order_id}`."""
    service: str
    needs_token: bool
    role: str | None
    """The role that the token must have."""
    cost: int
    """Number of requests as which it counts towards rate limits. 0: it is not limited."""


def path_pattern(path: str) -> str:
    """Return the regular expression of the paths that a route serves."""
    return "[^/]+".join(map(re.escape, re.split(r"\{\w+\}", path)))


@dataclass(frozen=True)
class Exposure:
    """What the gateway needs to know about the application."""

    problem_type_prefix: str
    audience: str
    services: Sequence[str]
    routes: Sequence[ExposedRoute]

    @classmethod
    def parse(cls, text: str) -> "Exposure":
        """Return what the command printed. Raises `LocalError` if two services expose the same route."""
        raw = json.loads(text)
        routes = [ExposedRoute(service=name, **each) for name, rows in raw["services"].items() for each in rows]
        owners: dict[tuple[str, str], ExposedRoute] = {}
        for each in routes:
            first = owners.setdefault((each.method, path_pattern(each.path)), each)
            if first is not each:
                raise LocalError(
                    f"{first.service} and {each.service} both expose {each.method} {each.path}.",
                    "Remove it from `exposed=` of one of them: the gateway can pass a request to one service only.",
                )
        return cls(raw["problem_type_prefix"], raw["audience"], list(raw["services"]), routes)
