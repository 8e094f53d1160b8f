"""Announces to clients that a route will be removed, and which one to use instead.

Implements the headers Deprecation (RFC 9745), Sunset (RFC 8594), and Link with `successor-version` (RFC 5829).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from functools import cache
from string import Formatter
from typing import Any, TypeVar
from urllib.parse import quote

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

MIN_NOTICE = timedelta(days=184)
"""Minimum time between a route's deprecation and its removal: six months, whichever months they are."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """The time since which a route is deprecated, and the day from which it may be gone. Both begin at 0:00 UTC.

    Raises ValueError unless `sunset` is at least six months after `since`.
    """

    since: date
    sunset: date
    successor: str
    """Path of the route to use instead. It may contain parameters of the deprecated path: `/v2/products/{id}`."""

    @property
    def path_params(self) -> set[str]:
        """The names of the parameters that `successor` contains."""
        return {name for _, name, _, _ in Formatter().parse(self.successor) if name}

    def __post_init__(self) -> None:
        if self.sunset - self.since < MIN_NOTICE:
            raise ValueError(f"The sunset {self.sunset} must be at least {MIN_NOTICE.days} days after {self.since}.")

    def headers(self, path_params: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the headers of an answer to a request whose path has these parameters."""
        # Parameters come from the client, decoded: without quote, they could contain a line break.
        successor = self.successor.format_map({name: quote(str(each), safe="") for name, each in path_params.items()})
        return [*_dates(self.since, self.sunset), ("link", f'<{successor}>; rel="successor-version"')]

    def __str__(self) -> str:
        return f"Deprecated since {self.since}. Use `{self.successor}`: from {self.sunset} on, this route may be gone."


def deprecated(deprecation: Deprecation) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint as deprecated. Every answer of its route, also an error, carries the headers."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.deprecation = deprecation  # type: ignore[attr-defined] # read for each answer, and for OpenAPI
        return endpoint

    return mark


def deprecation_of(endpoint: Callable[..., Any] | None) -> Deprecation | None:
    """Return the deprecation given to `deprecated`, or None."""
    deprecation: Deprecation | None = getattr(endpoint, "deprecation", None)
    return deprecation


@cache
def _dates(since: date, sunset: date) -> list[tuple[str, str]]:
    since_s = datetime.combine(since, time(), UTC).timestamp()
    return [
        ("deprecation", f"@{since_s:.0f}"),
        ("sunset", format_datetime(datetime.combine(sunset, time(), UTC), usegmt=True)),
    ]
