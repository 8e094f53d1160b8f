"""Checks a route's declaration when it is made, so that a mistake keeps the service from starting."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from marketplace_runtime.http.caching import cache_policy_of
from marketplace_runtime.http.callers import Bearer
from marketplace_runtime.http.deprecation import deprecation_of


def check_route(route: APIRoute) -> None:
    """Raise TypeError if the route's integers have no bounds, or what it declares does not fit its path or caller."""
    _refuse_unbounded_integers(route)
    _refuse_cached_private_answers(route)
    _refuse_unknown_successor(route)


def required_role(route: APIRoute) -> tuple[bool, str | None]:
    """Return whether the route's endpoint needs a token, and the role that the token must have, if any."""
    bearers = bearers_of(route)
    return bool(bearers), next((each.role for each in bearers if each.role is not None), None)


def bearers_of(route: APIRoute) -> list[Bearer]:
    return [each.call for each in _walk_dependencies(route.dependant) if isinstance(each.call, Bearer)]


def _walk_dependencies(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _walk_dependencies(each)


def _refuse_cached_private_answers(route: APIRoute) -> None:
    """Raise TypeError if shared caches could keep what only one caller may read, or the answer to a write."""
    if cache_policy_of(route.endpoint) is None:
        return
    if route.methods != {"GET"} or bearers_of(route) or route.path.startswith("/ops/"):
        raise TypeError(f"{route.path}: remove @cached: it is for a GET that takes no caller and is not for operators")


def _refuse_unknown_successor(route: APIRoute) -> None:
    """Raise TypeError if the path of a deprecated route's successor has a parameter that the route does not have."""
    deprecation = deprecation_of(route.endpoint)
    if deprecation is not None and (unknown := deprecation.path_params - set(route.param_convertors)):
        raise TypeError(f"{route.path}: its successor {deprecation.successor} has other parameters: {unknown}")


def _refuse_unbounded_integers(route: APIRoute) -> None:
    """Raise TypeError if an integer in a URL has no bounds: PostgreSQL could get one that it cannot store."""
    for each in _walk_dependencies(route.dependant):
        for field in [*each.path_params, *each.query_params]:
            annotated: Any = Annotated[field.field_info.annotation, field.field_info]
            schema = TypeAdapter[Any](annotated).json_schema()
            for choice in [schema, *schema.get("anyOf", [])]:
                if choice.get("type") == "integer" and not _is_bounded(choice):
                    raise TypeError(f"{route.path}: bound the integer {field.name!r} with ge= and le=")


def _is_bounded(schema: dict[str, Any]) -> bool:
    return not schema.keys().isdisjoint({"minimum", "exclusiveMinimum"}) and not schema.keys().isdisjoint(
        {"maximum", "exclusiveMaximum"}
    )
