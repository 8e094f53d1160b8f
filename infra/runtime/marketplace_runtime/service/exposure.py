"""Declares which of a service's routes a gateway exposes, who may use them, and how expensive they are.

A gateway reads these declarations before any request: it refuses callers without a token or role, and limits rates.
The service checks tokens and roles again, in its endpoints.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi.routing import APIRoute

from marketplace_runtime.http import Router, required_role


@dataclass(frozen=True, slots=True)
class Exposed:
    """One route that clients outside may use."""

    method: str
    path: str
    needs_token: bool
    role: str | None
    """The role that the token must have."""
    cost: int
    """Number of requests as which it counts towards rate limits."""


def anyone(*routes: str, cost: int = 1) -> list[Exposed]:
    """Expose routes, such as `GET /products`, to callers with or without a token.

    With `cost=0` they have no rate limit. That suits callbacks of partners, who prove their identity by a signature.
    """
    return [_exposed(each, cost, needs_token=False) for each in routes]


def caller(*routes: str, cost: int = 1, role: str | None = None) -> list[Exposed]:
    """Expose routes to callers with a valid token, which must have `role` if one is given."""
    return [_exposed(each, cost, needs_token=True, role=role) for each in routes]


def check_exposed(service: str, exposed: Sequence[Exposed], router: Router | None) -> None:
    """Raise TypeError if an exposed route does not exist, is exposed twice, costs less than 0, or has another role in
    its endpoint.
    """
    roles = dict(_roles(router)) if router else {}
    seen = set()
    for each in exposed:
        key = each.method, each.path
        if key in seen or key not in roles:
            what = "twice" if key in seen else "but has no such route"
            raise TypeError(f"{service} exposes {each.method} {each.path} {what}")
        seen.add(key)
        if each.cost < 0:
            raise TypeError(f"{service} exposes {each.method} {each.path} at a cost below 0")
        if roles[key] != (each.needs_token, each.role):
            raise TypeError(f"{service} exposes {each.method} {each.path} to others than its endpoint accepts")


def _exposed(route: str, cost: int, *, needs_token: bool, role: str | None = None) -> Exposed:
    method, _, path = route.partition(" ")
    return Exposed(method, path, needs_token, role, cost)


def _roles(router: Router) -> Iterator[tuple[tuple[str, str], tuple[bool, str | None]]]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                yield (method, route.path), required_role(route)
