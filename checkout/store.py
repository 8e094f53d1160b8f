"""Defines the order journal, the read model projected from it, the address copies, and all queries."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import composite, registry

from checkout.domain import Entry, EntryType, KnownAddress, Line, Money, Order, Payment, Reason, RejectedLine, Status
from contracts.delivery import AddressErasedV1, AddressRecordedV1
from marketplace_runtime.database import Transaction

metadata = sa.MetaData()


class _EnumText(sa.TypeDecorator[StrEnum]):
    """Stores a member of a StrEnum as text, so that a new member needs no migration."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, enumeration: type[StrEnum]) -> None:
        super().__init__()
        self.enumeration = enumeration

    def process_bind_param(self, value: StrEnum | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> StrEnum | None:
        return None if value is None else self.enumeration(value)


class _JsonValue(Protocol):
    def to_json(self) -> dict[str, Any]: ...


class _JsonArray(sa.TypeDecorator[tuple[Any, ...]]):
    """Stores a tuple of values as a JSON array."""

    impl = JSONB
    cache_ok = True

    def __init__(self, from_json: Callable[[dict[str, Any]], _JsonValue]) -> None:
        super().__init__()
        self.from_json = from_json

    def process_bind_param(self, value: tuple[_JsonValue, ...] | None, dialect: sa.Dialect) -> list[dict[str, Any]]:
        return [item.to_json() for item in value or ()]

    def process_result_value(self, value: list[dict[str, Any]] | None, dialect: sa.Dialect) -> tuple[_JsonValue, ...]:
        return tuple(self.from_json(item) for item in value or ())


class _TextArray(sa.TypeDecorator[tuple[str, ...]]):
    """Stores a tuple of strings as a text array."""

    impl = sa.ARRAY(sa.Text)
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: sa.Dialect) -> list[str]:
        return list(value or ())

    def process_result_value(self, value: list[str] | None, dialect: sa.Dialect) -> tuple[str, ...]:
        return tuple(value or ())


order_journal = sa.Table(
    "order_journal",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("type", _EnumText(EntryType), nullable=False),
    sa.Column("data", JSONB, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("status", _EnumText(Status), nullable=False),
    sa.Column("reason", _EnumText(Reason)),
    sa.Column("lines", _JsonArray(Line.from_json), nullable=False),
    sa.Column("total_amount", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("address_id", sa.Uuid),
    sa.Column("awaits_address", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("payment", _EnumText(Payment), nullable=False),
    sa.Column("provider", sa.Text),
    sa.Column("asks", sa.Integer, nullable=False),
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.Column("refusals", sa.Integer, nullable=False),
    sa.Column("closed", _TextArray, nullable=False),
    sa.Column("rejected_lines", _JsonArray(RejectedLine.from_json), nullable=False),
    sa.Column("dispatched", sa.Boolean, nullable=False),
    sa.Column("shipping_delayed", sa.Boolean, nullable=False),
    sa.Column("cancellation_refused", sa.Text),
    sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("orders_by_customer", "customer_id", sa.text("order_id desc")),
)

addresses = sa.Table(
    "addresses",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("address_id", sa.Uuid),
    sa.Column("revision", sa.BigInteger, nullable=False),
)

_mapper = registry(metadata=metadata)
_mapper.map_imperatively(Entry, order_journal)
_mapper.map_imperatively(KnownAddress, addresses)
_mapper.map_imperatively(
    Order,
    orders,
    version_id_col=orders.c.version,
    version_id_generator=False,  # versions come from the journal; an update fails if the row was changed since
    properties={"total": composite(Money, orders.c.total_amount, orders.c.currency)},
)


class _OrderEvent(Protocol):
    @property
    def order_id(self) -> UUID: ...


async def load_orders(events: Sequence[_OrderEvent], tx: Transaction) -> None:
    """Lock and load the orders of a batch of events in one statement."""
    await tx.preload(Order, [event.order_id for event in events])


async def load_addresses(events: Sequence[AddressRecordedV1 | AddressErasedV1], tx: Transaction) -> None:
    """Lock and load the address copies of a batch's customers in one statement."""
    await tx.preload(KnownAddress, [event.customer_id for event in events])


def save(tx: Transaction, order: Order, changes: Sequence[Entry]) -> None:
    """Append the order's new entries to the journal. The flush also writes the read model."""
    if changes and changes[0].version == 1:
        tx.add(order)
    for entry in changes:
        tx.add(entry)


async def order_for_reading(tx: Transaction, order_id: UUID) -> Order | None:
    """Return one order, not locked. None if there is none."""
    return await tx.peek(Order, order_id)


async def orders_of(tx: Transaction, customer_id: str, *, before: UUID | None, limit: int) -> Sequence[Order]:
    """Return at most `limit` of a customer's orders, newest first; with `before`, only older ones. Ids are UUIDv7."""
    query = sa.select(Order).where(orders.c.customer_id == customer_id)
    if before is not None:
        query = query.where(orders.c.order_id < before)
    return (await tx.session.scalars(query.order_by(orders.c.order_id.desc()).limit(limit))).all()


async def journal_of(tx: Transaction, order_id: UUID) -> Sequence[Entry]:
    """Return the journal of one order, oldest entry first."""
    query = sa.select(Entry).where(order_journal.c.order_id == order_id).order_by(order_journal.c.version)
    return (await tx.session.scalars(query)).all()


async def rebuild(tx: Transaction, *, page: int = 1000) -> int:
    """Rebuild the read model from the journal, with about `page` entries in memory. Returns the number of orders.

    The table is locked against writes, so use cases wait. Readers see the old rows until the commit. That is why the
    rows are deleted and the table is not truncated.
    """
    await tx.execute("lock table orders in exclusive mode")
    await tx.session.execute(sa.delete(orders))
    count = 0
    batch: list[Order] = []
    async for entries in _journals(tx, page):
        batch.append(Order.fold(entries))
        count += 1
        if len(batch) == page // 2:
            await _insert(tx, batch)
            batch = []
    await _insert(tx, batch)
    return count


async def _insert(tx: Transaction, batch: Iterable[Order]) -> None:
    batch = list(batch)
    tx.session.add_all(batch)
    await tx.session.flush()
    for order in batch:
        tx.session.expunge(order)


async def _journals(tx: Transaction, page: int) -> AsyncIterator[list[Entry]]:
    """Yield the whole journal of each order, one order after the other."""
    key = sa.tuple_(order_journal.c.order_id, order_journal.c.version)
    query = sa.select(order_journal).order_by(order_journal.c.order_id, order_journal.c.version).limit(page)
    journal: list[Entry] = []
    rows = (await tx.session.execute(query)).all()
    while rows:
        for row in rows:
            if journal and journal[-1].order_id != row.order_id:
                yield journal
                journal = []
            journal.append(Entry(**row._mapping))
        after = (rows[-1].order_id, rows[-1].version)
        rows = (await tx.session.execute(query.where(key > after))).all()
    if journal:
        yield journal
