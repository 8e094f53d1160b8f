"""Defines the tables of delivery, their mapping to domain objects, and all queries."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import composite, registry

from delivery.domain import Address, Aim, Failure, PastAddress, PostalAddress, Shipment, Status
from marketplace_runtime.database import Transaction

MAX_SHIPMENTS_PER_SWEEP = 100
"""Shipments that one run of a sweep handles."""
MAX_ADDRESSES_PER_SWEEP = 2000
"""Addresses that one run of a sweep handles.

High, since after an upgrade orders wait until the address of their customer is published.
"""


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


metadata = sa.MetaData()
POSTAL_COLUMNS = ("name", "street", "city", "postal_code", "country")
addresses = sa.Table(
    "addresses",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    *(sa.Column(part, sa.Text, nullable=False) for part in POSTAL_COLUMNS),
    sa.Column("address_id", sa.Uuid),
    sa.Column("revision", sa.BigInteger),
    sa.Index("addresses_unsaid", "customer_id", postgresql_where=sa.text("revision is null")),
)
past_addresses = sa.Table(
    "past_addresses",
    metadata,
    sa.Column("address_id", sa.Uuid, primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False, index=True),
    *(sa.Column(part, sa.Text, nullable=False) for part in POSTAL_COLUMNS),
    sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False, index=True),
)
revisions = sa.Sequence("address_revisions", metadata=metadata)
shipments = sa.Table(
    "shipments",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("shipment_id", sa.Uuid, nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("status", _EnumText(Status), nullable=False),
    sa.Column("carrier", sa.Text),
    sa.Column("tracking_code", sa.Text),
    sa.Column("asked_at", sa.DateTime(timezone=True)),
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.Column("refusals", sa.Integer, nullable=False),
    sa.Column("closed", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("aim", _EnumText(Aim)),
    sa.Column("failure", _EnumText(Failure)),
    sa.Column("dispatched_at", sa.DateTime(timezone=True)),
    sa.Column("delivered_at", sa.DateTime(timezone=True)),
    sa.Column("look_at", sa.DateTime(timezone=True)),
    sa.Column("address_id", sa.Uuid),
    sa.Index("shipments_look_at", "look_at", postgresql_where=sa.text("look_at is not null")),
    sa.Index("shipments_under_way", "address_id", postgresql_where=sa.text("look_at is not null")),
)

_mapper = registry(metadata=metadata)
for entity, table in ((Address, addresses), (PastAddress, past_addresses)):
    place = composite(PostalAddress, *(table.c[part] for part in POSTAL_COLUMNS))
    _mapper.map_imperatively(entity, table, properties={"place": place})
_mapper.map_imperatively(Shipment, shipments)


class _OrderEvent(Protocol):
    @property
    def order_id(self) -> UUID: ...


async def load_shipments(events: Sequence[_OrderEvent], tx: Transaction) -> None:
    """Lock and load the shipments of a batch of events in one statement."""
    await tx.preload(Shipment, [event.order_id for event in events])


async def load_shipments_and_addresses(events: Sequence[_OrderEvent], tx: Transaction) -> None:
    """Lock and load the shipments of a batch, and their customers' current addresses in a second statement."""
    await load_shipments(events, tx)
    found = [await tx.get(Shipment, event.order_id) for event in events]
    await tx.preload(Address, {shipment.customer_id for shipment in found if shipment is not None})


async def shipment_for_reading(tx: Transaction, order_id: UUID) -> Shipment | None:
    """Return one shipment, not locked. None if there is none."""
    return await tx.peek(Shipment, order_id)


async def overdue_shipments(tx: Transaction, now: datetime) -> Sequence[Shipment]:
    """Lock and return shipments whose check is due, the longest overdue first, at most `MAX_SHIPMENTS_PER_SWEEP`."""
    wanted = (
        sa.select(Shipment)
        .where(shipments.c.look_at <= now)
        .order_by(shipments.c.look_at)
        .limit(MAX_SHIPMENTS_PER_SWEEP)
    )
    return (await tx.session.scalars(wanted.with_for_update(skip_locked=True))).all()


async def address_for_reading(tx: Transaction, customer_id: str) -> Address | None:
    """Return the customer's current address, not locked. None if there is none."""
    return await tx.peek(Address, customer_id)


async def address_for(tx: Transaction, shipment: Shipment) -> Address | PastAddress | None:
    """Return the address as of checkout, or the current one if that is unknown or erased. None if there is none."""
    address = await tx.get(Address, shipment.customer_id)
    if address is None or shipment.address_id in (None, address.address_id):
        return address
    return await tx.peek(PastAddress, shipment.address_id) or address


async def lock_address(tx: Transaction, customer_id: str) -> Address | None:
    """Return the customer's current address, or None.

    Until the transaction ends, no other can add, replace or erase an address of this customer.
    """
    await tx.execute("select pg_advisory_xact_lock(hashtextextended($1, 7207))", customer_id)
    return await tx.get(Address, customer_id)


async def next_revision(tx: Transaction) -> int:
    """Return a revision that is greater than all before. Call it while the customer's address is locked."""
    return await tx.session.scalar(sa.select(revisions.next_value())) or 0


async def unpublished_addresses(tx: Transaction) -> Sequence[Address]:
    """Lock and return addresses about which no event was published, at most `MAX_ADDRESSES_PER_SWEEP`."""
    wanted = sa.select(Address).where(addresses.c.revision.is_(None)).limit(MAX_ADDRESSES_PER_SWEEP)
    return (await tx.session.scalars(wanted.with_for_update(skip_locked=True))).all()


async def erase_addresses(tx: Transaction, customer_id: str) -> None:
    """Delete the current and past addresses of a customer."""
    for table in (addresses, past_addresses):
        await tx.session.execute(sa.delete(table).where(table.c.customer_id == customer_id))


async def delete_past_addresses(tx: Transaction, replaced_before: datetime) -> None:
    """Delete addresses replaced before that time to which no parcel is under way. At most `MAX_ADDRESSES_PER_SWEEP`."""
    under_way = shipments.c.look_at.is_not(None) & (shipments.c.address_id == past_addresses.c.address_id)
    old = (
        sa.select(past_addresses.c.address_id)
        .where(past_addresses.c.replaced_at < replaced_before, ~sa.exists().where(under_way))
        .limit(MAX_ADDRESSES_PER_SWEEP)
    )
    await tx.session.execute(sa.delete(past_addresses).where(past_addresses.c.address_id.in_(old)))
