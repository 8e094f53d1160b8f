"""What services promise each other: events, one file per publisher.

An added optional field stays within a version; anything else is a new class with the next version.
"""

from contracts.money import Money
from contracts.quantity import Quantity
from marketplace_runtime.events import Envelope, Event, PersonId

__all__ = ["Envelope", "Event", "Money", "PersonId", "Quantity"]
