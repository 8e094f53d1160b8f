"""The contracts between services: events, with one file per publisher.

A new optional field stays within a version. Any other change of a shape needs a new class with the next version.
"""

from contracts.money import Money
from contracts.quantity import Quantity
from marketplace_runtime.events import Envelope, Event, PersonId

__all__ = ["Envelope", "Event", "Money", "PersonId", "Quantity"]
