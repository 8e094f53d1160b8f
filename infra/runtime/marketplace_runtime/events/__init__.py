"""Defines the base class and the envelope of events, and an application's names. Imports pydantic only."""

from marketplace_runtime.events.event import TYPE_PATTERN, Envelope, Event, PersonId, matches, name_of
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
    "name_of",
]
