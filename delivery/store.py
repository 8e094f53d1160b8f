"""Delivery's tables, and every query on them."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import registry

from delivery.domain import Address, Aim, Failure, Shipment, Status
from infra.storage import Transaction

MOST_AT_ONCE = 100
"""Shipments that one sweep takes."""


class _Word(sa.TypeDecorator[StrEnum]):
    """A word of a StrEnum, as text: a new word needs no migration."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> StrEnum | None:
        return None if value is None else self.words(value)


metadata = sa.MetaData()
addresses = sa.Table(
    "addresses",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("street", sa.Text, nullable=False),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("postal_code", sa.Text, nullable=False),
    sa.Column("country", sa.Text, nullable=False),
)
shipments = sa.Table(
    "shipments",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("shipment_id", sa.Uuid, nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("status", _Word(Status), nullable=False),
    sa.Column("carrier", sa.Text),
    sa.Column("tracking_code", sa.Text),
    sa.Column("asked_at", sa.DateTime(timezone=True)),
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.Column("refusals", sa.Integer, nullable=False),
    sa.Column("closed", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("aim", _Word(Aim)),
    sa.Column("failure", _Word(Failure)),
    sa.Column("dispatched_at", sa.DateTime(timezone=True)),
    sa.Column("delivered_at", sa.DateTime(timezone=True)),
    sa.Column("look_at", sa.DateTime(timezone=True)),
    sa.Index("shipments_look_at", "look_at", postgresql_where=sa.text("look_at is not null")),
)

_mapper = registry(metadata=metadata)
_mapper.map_imperatively(Address, addresses)
_mapper.map_imperatively(Shipment, shipments)


class _OfOrder(Protocol):
    @property
    def order_id(self) -> UUID: ...


async def load_shipments(events: Sequence[_OfOrder], tx: Transaction) -> None:
    """Lock and load the shipments that a batch of events is about, in one statement."""
    await tx.preload(Shipment, [event.order_id for event in events])


async def load_shipments_and_addresses(events: Sequence[_OfOrder], tx: Transaction) -> None:
    """Also the addresses that they go to, in a second statement."""
    await load_shipments(events, tx)
    found = [await tx.get(Shipment, event.order_id) for event in events]
    await tx.preload(Address, {shipment.customer_id for shipment in found if shipment is not None})


async def shipment_for_reading(tx: Transaction, order_id: UUID) -> Shipment | None:
    """One shipment, not locked."""
    return await tx.peek(Shipment, order_id)


async def overdue_shipments(tx: Transaction, now: datetime) -> Sequence[Shipment]:
    """Shipments, locked, that somebody should have looked at by now: a bounded number, the longest overdue first."""
    wanted = sa.select(Shipment).where(shipments.c.look_at <= now).order_by(shipments.c.look_at).limit(MOST_AT_ONCE)
    return (await tx.session.scalars(wanted.with_for_update(skip_locked=True))).all()


async def address_for_reading(tx: Transaction, customer_id: str) -> Address | None:
    """One address, not locked."""
    return await tx.peek(Address, customer_id)


async def write_address(tx: Transaction, address: Address) -> None:
    """Keep the address in place of the one before."""
    values = {column.name: getattr(address, column.name) for column in addresses.columns}
    statement = insert(addresses).values(values)
    await tx.session.execute(statement.on_conflict_do_update(index_elements=[addresses.c.customer_id], set_=values))


async def erase_address(tx: Transaction, customer_id: str) -> None:
    """Forget where the customer lives; no copy is kept."""
    await tx.session.execute(sa.delete(addresses).where(addresses.c.customer_id == customer_id))
