"""The tables, declared for the peers as SQLAlchemy's documentation recommends."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zlib import crc32

from sqlalchemy import BigInteger, DateTime, Identity, SmallInteger, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

from marketplace_runtime.telemetry import child_traceparent
from tests.benchmarks.work import EVENT_OUT, SERVICE


class Base(DeclarativeBase):
    type_annotation_map = {UUID: Uuid, str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's form


class Order(Base):
    __tablename__ = "orders"
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    cents: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    changes: Mapped[int]


class Inbox(Base):
    __tablename__ = "inbox"
    __table_args__ = {"schema": "messaging"}  # noqa: RUF012 - SQLAlchemy's form
    subscription: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int]


class Outbox(Base):
    __tablename__ = "outbox"
    __table_args__ = {"schema": "messaging"}  # noqa: RUF012 - SQLAlchemy's form
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    at: Mapped[datetime]
    traceparent: Mapped[str]
    causation_id: Mapped[UUID | None]
    body: Mapped[bytes]


class Pending(Base):
    __tablename__ = "outbox_pending"
    __table_args__ = {"schema": "messaging"}  # noqa: RUF012 - SQLAlchemy's form
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[UUID]
    type: Mapped[str]
    bucket: Mapped[int] = mapped_column(SmallInteger)


def outgoing(subject: str, body: bytes, cause: UUID, traceparent: str) -> tuple[Outbox, Pending]:
    """Return the rows of one event to publish."""
    event_id = uuid7()
    event = Outbox(
        event_id=event_id,
        type=EVENT_OUT,
        subject=subject,
        at=datetime.now(UTC),
        traceparent=child_traceparent(traceparent),
        causation_id=cause,
        body=body,
    )
    return event, Pending(event_id=event_id, type=EVENT_OUT, bucket=crc32(subject.encode()) % 16)


def headers_of(event: Outbox) -> dict[str, Any]:
    """Return CloudEvents headers, the same that every contender sends."""
    return {
        "cloudEvents_specversion": "1.0",
        "cloudEvents_id": str(event.event_id),
        "cloudEvents_type": event.type,
        "cloudEvents_source": SERVICE,
        "cloudEvents_subject": event.subject,
        "cloudEvents_time": event.at.isoformat(),
        "cloudEvents_traceparent": event.traceparent,
        "cloudEvents_causationid": str(event.causation_id),
    }
