"""Provides a transaction that keeps rows in a dict, for use cases that access rows only by key."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

from marketplace_runtime.database import Declaration, Transaction, check_versions, identity_key_of, new_id
from marketplace_runtime.events import Envelope, Event
from marketplace_runtime.telemetry import new_traceparent

T = TypeVar("T")


class InMemoryTransaction:
    """Implements what handlers use of a transaction. Every change commits at once, even if the handler fails later.

    A use case that queries (through `tx.session`) fails here: test it with a real database, see `service_harness`.
    """

    def __init__(
        self, *rows: object, source: str = "", internal_subscriptions: Mapping[str, str] | None = None
    ) -> None:
        self.rows: dict[tuple[type, Any], Any] = {}
        self.published: list[Event] = []
        self.scheduled: list[tuple[Event, timedelta]] = []
        self.cause: Envelope | None = None
        self.declaration: Declaration | None = None
        self.source, self.internal_subscriptions = source, internal_subscriptions
        for row in rows:
            self.add(row)

    @property
    def tx(self) -> Transaction:
        """Return itself, with the type that handlers expect."""
        return cast("Transaction", self)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> UUID:
        return new_id()

    async def is_scheduled(self, event: Event) -> bool:
        return any((each.type, each.subject) == (event.type, event.subject) for each, _ in self.scheduled)

    async def get(self, entity: type[T], key: Any) -> T | None:
        return self.rows.get((entity, key))

    async def peek(self, entity: type[T], key: Any) -> T | None:
        return self.rows.get((entity, key))

    async def preload(self, entity: type, keys: Iterable[Any]) -> None:
        """Do nothing: all rows are in memory."""

    async def flush(self) -> None:
        """Do nothing: all changes are written at once."""

    def add(self, row: object) -> None:
        """Insert a row. Raises ValueError if there is a row with its key."""
        identity = identity_key_of(row)
        if identity in self.rows:
            raise ValueError(f"inserted twice: {identity}")
        self.rows[identity] = row

    def publish(self, event: Event, *older: Event) -> UUID:
        check_versions(self.source or event.publisher, event, *older)
        if self.declaration is not None:
            self.declaration.check(event, *older)
        self.published += [event, *older]
        return new_id()

    def schedule(self, event: Event, *, after: timedelta) -> None:
        if self.internal_subscriptions is not None and event.type not in self.internal_subscriptions:
            raise ValueError(f"no subscription of {self.source} handles {event.type}")
        self.scheduled.append((event, after))


def envelope_for(event: Event) -> Envelope:
    """Return an envelope for `event`, as if a service received it from the broker."""
    now = datetime.now(UTC)
    return Envelope(new_id(), event.type, event.publisher, event.subject, now, new_traceparent())
