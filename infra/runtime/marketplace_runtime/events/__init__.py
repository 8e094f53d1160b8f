"""What every event is: its base class and its envelope. Imports pydantic only."""

from marketplace_runtime.events.event import TYPE_PATTERN, Envelope, Event, PersonId, matches, name_of

__all__ = ["TYPE_PATTERN", "Envelope", "Event", "PersonId", "matches", "name_of"]
