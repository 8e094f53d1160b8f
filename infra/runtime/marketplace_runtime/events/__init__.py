"""Defines the base class and envelope of events, and the names of an application's resources. Needs pydantic only."""

from marketplace_runtime.events.event import TYPE_PATTERN, Envelope, Event, PersonId, matches, without_version
from marketplace_runtime.events.naming import PLACEHOLDER_NAMING, Naming
from marketplace_runtime.events.text import make_storable

__all__ = [
    "PLACEHOLDER_NAMING",
    "TYPE_PATTERN",
    "Envelope",
    "Event",
    "Naming",
    "PersonId",
    "make_storable",
    "matches",
    "without_version",
]
