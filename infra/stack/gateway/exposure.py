"""Reads which HTTP routes the services expose, as `python -m marketplace_runtime exposed SERVICE…` prints it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass


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


@dataclass(frozen=True)
class Exposure:
    """What the gateway needs to know about the application."""

    problem_type_prefix: str
    audience: str
    services: Sequence[str]
    routes: Sequence[ExposedRoute]

    @classmethod
    def parse(cls, text: str) -> "Exposure":
        """Return what the command printed."""
        raw = json.loads(text)
        routes = [ExposedRoute(service=name, **each) for name, rows in raw["services"].items() for each in rows]
        return cls(raw["problem_type_prefix"], raw["audience"], list(raw["services"]), routes)
