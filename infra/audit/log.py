"""The audit's own capture of every event: the stream `marketplace.log`, read from its first message to its last.

By a client of its own (pika), so that a fault of the runtime's client cannot hide itself.
"""

import hashlib
import json
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pydantic import ValidationError

from contracts.catalogue import BY_TYPE
from infra.audit.sources import Unreadable

LOG = "marketplace.log"
PREFETCH = 1000
SILENT_S = 15.0
"""A stream that delivers nothing for so long, before its end, cannot be read."""


@dataclass(slots=True)
class Said:
    """One event, however many copies of it there are."""

    id: UUID
    type: str
    user: str | None
    """Who published it, by the broker's word."""
    subject: str
    at: datetime
    cause: UUID | None
    raw: bytes
    digests: set[bytes] = field(default_factory=set)
    """SHA-256 of each different body that was seen."""
    copies: int = 0

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


@dataclass(frozen=True, slots=True)
class Strange:
    """A message that is no event."""

    exchange: str
    why: str

    @property
    def publisher(self) -> str:
        """Whose exchange it came through."""
        return self.exchange.removesuffix(".events")


@dataclass
class Log:
    """Every event that was ever published."""

    events: dict[tuple[UUID, str], Said] = field(default_factory=dict)
    """By id and type: a type's versions share an id."""
    strange: list[Strange] = field(default_factory=list)

    def add(self, exchange: str, properties: pika.BasicProperties, raw: bytes) -> None:
        """Take in one message."""
        headers = properties.headers or {}
        try:
            cause = headers.get("cloudEvents_causationid")
            said = Said(
                id=UUID(headers["cloudEvents_id"]),
                type=str(headers["cloudEvents_type"]),
                user=properties.user_id,
                subject=str(headers["cloudEvents_subject"]),
                at=datetime.fromisoformat(headers["cloudEvents_time"]),
                cause=None if cause is None else UUID(cause),
                raw=raw,
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            self.strange.append(Strange(exchange, f"{len(raw)} bytes by {properties.user_id}: {error!r}"))
            return
        kept = self.events.setdefault((said.id, said.type), said)
        kept.digests.add(hashlib.sha256(raw).digest())
        kept.copies += 1


def why_wrong(said: Said) -> str | None:
    """What is wrong with an event, by its contract, if anything is."""
    contract = BY_TYPE.get(said.type)
    if contract is None or contract.internal:
        return "nobody says events of this type"
    if said.user != contract.publisher:
        return f"published by {said.user}"
    try:
        event = contract.model_validate_json(said.raw)
    except ValidationError as error:
        return f"{error.error_count()} errors in its body"
    return None if event.subject == said.subject else f"its subject is {event.subject}"


def read_log(url: str) -> Log:
    """The whole log, up to what was in it when the reading began. Blocks.

    Raises `Unreadable` if its beginning is gone, or its end is not reached.
    """
    logging.getLogger("pika").setLevel(logging.WARNING)  # it tells of every step of a connection at INFO
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        length = channel.queue_declare(LOG, passive=True).method.message_count
        return _read(channel, length) if length else Log()
    finally:
        connection.close()


def _read(channel: BlockingChannel, length: int) -> Log:
    log = Log()
    channel.basic_qos(prefetch_count=PREFETCH)
    deliveries = channel.consume(LOG, arguments={"x-stream-offset": "first"}, inactivity_timeout=SILENT_S)
    for number, (method, properties, raw) in enumerate(deliveries):
        if method is None:
            raise Unreadable(f"the log gave {number} of {length} messages, then nothing for {SILENT_S:.0f} s")
        offset = int(properties.headers["x-stream-offset"])
        if number == 0 and offset:
            raise Unreadable(f"the log's first {offset} messages are gone")
        log.add(method.exchange, properties, raw)
        if number % (PREFETCH // 4) == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if offset >= length - 1:
            break
    channel.cancel()
    return log
