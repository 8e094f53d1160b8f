"""Tests a use case in three lines, without a server: given rows, when an event arrives, then these rows and events."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from marketplace_runtime.consumer import Reaction
from marketplace_runtime.events import Event
from marketplace_runtime.service import Service
from marketplace_runtime.testing.in_memory_transaction import InMemoryTransaction, envelope_for

T = TypeVar("T")


@dataclass(frozen=True)
class Then:
    """Holds the effects of one event."""

    published: list[Event]
    scheduled: list[tuple[Event, timedelta]]
    request: Any
    """The request of the external call, as `prepare` returned it, or None."""


class Given:
    """Holds a service's rows, from one event to the next."""

    def __init__(self, service: Service, *rows: object) -> None:
        self._service = service
        self._memory = InMemoryTransaction(
            *rows, source=service.name, internal_subscriptions=service.internal_subscriptions
        )

    async def when(self, event: Event, *, answer: Any = None, subscription: str | None = None) -> Then:
        """Pass `event` to the service's handlers. An external call gets `answer`. Without one, no result is recorded.

        Raises KeyError unless exactly one subscription, of the given name if any, handles the event. Also raises what
        the handler raises.
        """
        reaction = self._reaction(event.type, subscription)
        memory, request, received = self._memory, None, reaction.as_received(event)
        memory.published, memory.scheduled, memory.cause = [], [], envelope_for(event)
        if reaction.load is not None:
            await reaction.load([received], memory.tx)
        if reaction.handle is not None:
            await reaction.handle(received, memory.tx)
        elif reaction.call is not None:
            request = await reaction.call.prepare(received, memory.tx)
            if request is not None and answer is not None:
                await reaction.call.record(received, answer, memory.tx)
        return Then(memory.published, memory.scheduled, request)

    def row(self, entity: type[T], key: Any) -> T:
        """Return the row with this key. Raises KeyError if there is none."""
        found: T = self._memory.rows[entity, key]
        return found

    def rows(self, entity: type[T]) -> list[T]:
        """Return every row of a class, in the order of insertion."""
        return [row for (kind, _), row in self._memory.rows.items() if kind is entity]

    def _reaction(self, type: str, subscription: str | None) -> Reaction:
        found = [
            each.reactions[type]
            for each in self._service.subscriptions
            if type in each.reactions and subscription in (None, each.name)
        ]
        if len(found) != 1:
            raise KeyError(f"{self._service.name} handles {type} in {len(found)} subscriptions: name exactly one")
        return found[0]


def given(service: Service, *rows: object) -> Given:
    """Return the service with these rows of its mapped classes."""
    return Given(service, *rows)
