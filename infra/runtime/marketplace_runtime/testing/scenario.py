"""Given rows, when an event comes, then these rows and events: a use case in three lines, without a server."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from marketplace_runtime.consumer import Reaction
from marketplace_runtime.events import Event
from marketplace_runtime.service import Service
from marketplace_runtime.testing.memory import Memory, caused_by

T = TypeVar("T")


@dataclass(frozen=True)
class Then:
    """What one event led to."""

    said: list[Event]
    scheduled: list[tuple[Event, timedelta]]
    asked: Any
    """The request that `prepare` made of it, or None."""


class Given:
    """A service's rows, from one event to the next."""

    def __init__(self, service: Service, *rows: object) -> None:
        self._service = service
        self._memory = Memory(*rows, source=service.name, listeners=service.listeners)

    async def when(self, event: Event, *, answer: Any = None, subscription: str | None = None) -> Then:
        """Let the service hear `event`; an outside call of it gets `answer`, or stays open without one.

        Raises KeyError if the service does not hear it, and what the handler raises.
        """
        reaction = self._reaction(event.type, subscription)
        memory, asked, heard = self._memory, None, reaction.as_heard(event)
        memory.said, memory.scheduled, memory.cause = [], [], caused_by(event)
        if reaction.load is not None:
            await reaction.load([heard], memory.tx)
        if reaction.handle is not None:
            await reaction.handle(heard, memory.tx)
        elif reaction.call is not None:
            asked = await reaction.call.prepare(heard, memory.tx)
            if asked is not None and answer is not None:
                await reaction.call.record(heard, answer, memory.tx)
        return Then(memory.said, memory.scheduled, asked)

    def row(self, entity: type[T], key: Any) -> T:
        """The row with this key. Raises KeyError if there is none."""
        found: T = self._memory.rows[entity, key]
        return found

    def rows(self, entity: type[T]) -> list[T]:
        """Every row of a class, in the order in which they were added."""
        return [row for (kind, _), row in self._memory.rows.items() if kind is entity]

    def _reaction(self, type: str, subscription: str | None) -> Reaction:
        found = [
            each.reactions[type]
            for each in self._service.hears
            if type in each.reactions and subscription in (None, each.name)
        ]
        if len(found) != 1:
            raise KeyError(f"{self._service.name} hears {type} in {len(found)} subscriptions; name one")
        return found[0]


def given(service: Service, *rows: object) -> Given:
    """The service with these rows of its mapped classes."""
    return Given(service, *rows)
