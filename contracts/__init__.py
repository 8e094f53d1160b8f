"""What services promise each other: events, one file per publisher.

An added optional field stays within a version; anything else is a new class with the next version.
"""

from contracts.event import Envelope, Event, PersonId
from contracts.money import Money
from contracts.quantity import Quantity

__all__ = ["Envelope", "Event", "Money", "PersonId", "Quantity"]
