"""A transaction in memory, for checkout: it keeps the journal, folds orders from it, and knows addresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from checkout.domain import Entry, KnownAddress, Order
from contracts import Event


@dataclass
class FakeDatabase:
    """What was committed."""

    journals: dict[UUID, list[Entry]] = field(default_factory=dict)
    addresses: dict[str, KnownAddress] = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    scheduled: list[tuple[Event, timedelta]] = field(default_factory=list)

    def order(self, order_id: UUID) -> Order:
        return Order.fold(self.journals[order_id])

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Commits at the end; an error inside leaves nothing."""
        tx = FakeTransaction(self)
        yield tx
        tx.commit()


@dataclass
class FakeTransaction:
    database: FakeDatabase
    orders: dict[UUID, Order] = field(default_factory=dict)
    addresses: dict[str, KnownAddress] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    said: list[Event] = field(default_factory=list)
    scheduled: list[tuple[Event, timedelta]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def get(self, entity: type, key: Any) -> Any:
        if entity is KnownAddress:
            if key not in self.addresses and key in self.database.addresses:
                self.addresses[key] = replace(self.database.addresses[key])
            return self.addresses.get(key)
        assert entity is Order
        if key not in self.orders and key in self.database.journals:
            self.orders[key] = self.database.order(key)
        return self.orders.get(key)

    peek = get

    def add(self, row: Order | Entry | KnownAddress) -> None:
        if isinstance(row, KnownAddress):
            self.addresses[row.customer_id] = row
        elif isinstance(row, Order):
            self.orders[row.order_id] = row
        else:
            self.entries.append(row)

    def publish(self, event: Event) -> None:
        assert not event.internal
        self.said.append(event)

    def schedule(self, event: Event, *, after: timedelta) -> None:
        assert event.internal
        self.scheduled.append((event, after))

    def commit(self) -> None:
        assert not any(order.unsaved for order in self.orders.values()), "a change was not kept"
        for entry in self.entries:
            journal = self.database.journals.setdefault(entry.order_id, [])
            assert entry.version == len(journal) + 1, "a version was used twice"
            journal.append(entry)
        for order_id, order in self.orders.items():
            assert order == self.database.order(order_id), "the read model is not what the journal says"
        self.database.addresses |= self.addresses
        self.database.said += self.said
        self.database.scheduled += self.scheduled
