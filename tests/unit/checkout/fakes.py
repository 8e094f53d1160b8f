"""An in-memory database for checkout. It keeps journals, folds orders from them, and stores addresses."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from checkout.domain import Entry, KnownAddress, Order
from checkout.service import SERVICE
from contracts import Event
from marketplace_runtime.testing import InMemoryTransaction


@dataclass
class FakeDatabase:
    """The committed data."""

    journals: dict[UUID, list[Entry]] = field(default_factory=dict)
    addresses: dict[str, KnownAddress] = field(default_factory=dict)
    published: list[Event] = field(default_factory=list)
    scheduled: list[tuple[Event, timedelta]] = field(default_factory=list)

    def order(self, order_id: UUID) -> Order:
        return Order.fold(self.journals[order_id])

    def copy_of(self, entity: type, key: Any) -> Any:
        if entity is KnownAddress:
            return replace(self.addresses[key]) if key in self.addresses else None
        assert entity is Order
        return self.order(key) if key in self.journals else None


class FakeTransaction(InMemoryTransaction):
    """A transaction that works on copies. Without a commit, it has no effect."""

    def __init__(self, database: FakeDatabase) -> None:
        super().__init__(source=SERVICE.name, internal_subscriptions=SERVICE.internal_subscriptions)
        self.database = database

    async def get(self, entity: type, key: Any) -> Any:
        if (entity, key) not in self.rows and (row := self.database.copy_of(entity, key)):
            self.rows[entity, key] = row
        return self.rows.get((entity, key))

    peek = get

    def commit(self) -> None:
        database = self.database
        for entry in self._all(Entry):
            journal = database.journals.setdefault(entry.order_id, [])
            assert entry.version == len(journal) + 1, "the version was already used"
            journal.append(entry)
        for order in self._all(Order):
            assert order == database.order(order.order_id), "the read model differs from the journal"
        database.addresses |= {address.customer_id: address for address in self._all(KnownAddress)}
        database.published += self.published
        database.scheduled += self.scheduled

    def _all(self, entity: type) -> list[Any]:
        return [row for row in self.rows.values() if isinstance(row, entity)]
