"""Defines the tables of mail notifications, their mapping to domain objects, and all queries."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import registry

from marketplace_runtime.database import Transaction
from notifications.domain import Contact, Failure, Kind, Message, Status


class EnumText(sa.TypeDecorator[StrEnum]):
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
contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("person_id", sa.Text, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("order_updates", sa.Boolean, nullable=False),
    sa.Column("reminders", sa.Boolean, nullable=False),
)
messages = sa.Table(
    "messages",
    metadata,
    sa.Column("notification_id", sa.Uuid, primary_key=True),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("kind", EnumText(Kind), nullable=False),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("event_id", sa.Uuid, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("status", EnumText(Status), nullable=False),
    sa.Column("failure", EnumText(Failure)),
    sa.Column("sent_at", sa.DateTime(timezone=True)),
    sa.Index("messages_by_person", "person_id", "created_at", "notification_id"),
)

_mapper = registry(metadata=metadata)
_mapper.map_imperatively(Contact, contacts)
_mapper.map_imperatively(Message, messages)


async def load_messages_and_contacts(
    tx: Transaction, notification_ids: Iterable[UUID], person_ids: Iterable[str]
) -> None:
    """Lock and load messages and contacts in two statements."""
    await tx.preload(Message, notification_ids)
    await tx.preload(Contact, person_ids)


async def messages_of(tx: Transaction, person_id: str, *, after: UUID | None, limit: int) -> Sequence[Message]:
    """Return at most `limit` of a person's messages, newest first; with `after`, those that follow this message."""
    sort_key = messages.c.created_at, messages.c.notification_id
    query = sa.select(Message).where(messages.c.person_id == person_id)
    if after is not None:
        last = sa.select(*sort_key).where(messages.c.notification_id == after, messages.c.person_id == person_id)
        query = query.where(sa.tuple_(*sort_key) < last.scalar_subquery())
    query = query.order_by(*(column.desc() for column in sort_key)).limit(limit)
    return (await tx.session.scalars(query)).all()


async def contact_for_reading(tx: Transaction, person_id: str) -> Contact | None:
    """Return one contact, not locked. None if there is none."""
    return await tx.peek(Contact, person_id)


async def write_contact(tx: Transaction, contact: Contact) -> None:
    """Insert the contact, or replace the existing one."""
    values = {column.name: getattr(contact, column.name) for column in contacts.columns}
    statement = insert(contacts).values(values)
    await tx.session.execute(statement.on_conflict_do_update(index_elements=[contacts.c.person_id], set_=values))


async def erase_contact(tx: Transaction, person_id: str) -> None:
    """Delete the contact data of a person. Keeps no copy."""
    await tx.session.execute(sa.delete(contacts).where(contacts.c.person_id == person_id))
