"""Reads every published event from the log stream (`marketplace.log`), from its first message to its last.

It uses another client (pika) than the runtime, so that a bug of the runtime's client cannot hide itself.
"""

import contextlib
import hashlib
import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pydantic import ValidationError

from contracts.registry import BY_TYPE
from infra.lab.audit.sources import Unreadable
from marketplace_runtime.events import without_version

LOG = "marketplace.log"
PREFETCH = 1000
BROKER_ENTRY_OFFSETS = 1
"""Number of offsets at the start of a stream segment that the broker uses for its own entry (deduplication state)."""
SILENCE_S, MAX_SILENCES = 1.0, 15
"""Seconds without a message after which the end of the stream is checked, and the number of such silences in a row
after which reading fails."""

Message = tuple[int, tuple[str, pika.BasicProperties, bytes] | None]
"""Offset, and exchange, properties and body; None instead of these if no message arrived in time."""


@dataclass(slots=True)
class PublishedEvent:
    """A published event, with all its copies."""

    id: UUID
    type: str
    user: str | None
    """The publisher's user id, as the broker verified it."""
    subject: str
    at: datetime
    cause: UUID | None
    raw: bytes
    digests: set[bytes] = field(default_factory=set)
    """SHA-256 of each different body that was seen."""
    copies: int = 0
    """Number of copies in the log."""

    @property
    def name(self) -> str:
        """The event type without the version."""
        return without_version(self.type)

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


@dataclass(frozen=True, slots=True)
class InvalidMessage:
    """A message in the log that is not an event."""

    exchange: str
    why: str
    user: str | None = None
    """The publisher's user id, as the broker verified it. Services always set it."""
    published_after: float = 0.0
    """Unix time of the latest event before it in the log: the message was published no earlier."""

    @property
    def publisher(self) -> str:
        """The service that owns the exchange of the message."""
        return self.exchange.removesuffix(".events")


@dataclass
class Log:
    """The events of the log, and the messages in it that are not events."""

    events: dict[tuple[UUID, str], PublishedEvent] = field(default_factory=dict)
    """Events by id and type: all versions of an event share its id."""
    invalid_messages: list[InvalidMessage] = field(default_factory=list)
    latest: float = 0.0
    """Unix time of the latest event so far."""

    def until(self, before: UUID) -> "Log":
        """Return the log with only the events whose ids (UUIDv7) are smaller than `before`."""
        return Log(
            {key: published for key, published in self.events.items() if published.id < before}, self.invalid_messages
        )

    def add(self, exchange: str, properties: pika.BasicProperties, raw: bytes) -> None:
        """Add one message."""
        headers = properties.headers or {}
        try:
            cause = headers.get("cloudEvents_causationid")
            published = PublishedEvent(
                id=UUID(headers["cloudEvents_id"]),
                type=str(headers["cloudEvents_type"]),
                user=properties.user_id,
                subject=str(headers["cloudEvents_subject"]),
                at=datetime.fromisoformat(headers["cloudEvents_time"]),
                cause=None if cause is None else UUID(cause),
                raw=raw,
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            why = f"{len(raw)} bytes by {properties.user_id}: {error!r}"
            self.invalid_messages.append(InvalidMessage(exchange, why, properties.user_id, self.latest))
            return
        self.latest = max(self.latest, published.at.timestamp())
        known = self.events.setdefault((published.id, published.type), published)
        known.digests.add(hashlib.sha256(raw).digest())
        known.copies += 1


def find_contract_violation(published: PublishedEvent) -> str | None:
    """Return how an event violates its contract, or None if it is valid."""
    contract = BY_TYPE.get(published.type)
    if contract is None or contract.internal:
        return "no service publishes events of this type"
    if published.user != contract.publisher:
        return f"published by {published.user}"
    try:
        event = contract.model_validate_json(published.raw)
    except ValidationError as error:
        return f"{error.error_count()} errors in its body"
    return None if event.subject == published.subject else f"its subject is {event.subject}"


def read_log(url: str) -> Log:
    """Return the log with at least all messages that it held when reading began. Blocks for at least 2 s.

    Raises `Unreadable` if messages are missing, such as the oldest ones, or if the end is not reached.
    """
    logging.getLogger("pika").setLevel(logging.WARNING)  # it logs every step of a connection at INFO
    with _channel(url) as channel:
        return _read(url, channel)


@contextlib.contextmanager
def _channel(url: str) -> Iterator[BlockingChannel]:
    """Yield a channel on a connection of its own.

    On closing, the client rejects prefetched messages that it has not handed over. A stream answers this with an error,
    which is ignored.
    """
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        with contextlib.suppress(AMQPError):
            connection.close()


def _read(url: str, channel: BlockingChannel) -> Log:
    """Read until the stream is silent and the last message of its last chunk was read.

    The broker's message count is seconds old, so it is only a lower bound. A second consumer that starts at the last
    chunk finds the current end.
    """
    log, last, silences = Log(), -1, 0
    at_least = channel.queue_declare(LOG, passive=True).method.message_count
    for offset, delivery in _messages(channel, "first"):
        if delivery is None:
            silences += 1
            end = _end(url)
            if last >= at_least - 1 and last == end:
                return log
            if silences == MAX_SILENCES:
                break
            continue
        if offset > (0 if last < 0 else last + 1 + BROKER_ENTRY_OFFSETS):
            hint = " (it keeps 7 days; start over with ./marketplace down --volumes, then up -d)" if last < 0 else ""
            raise Unreadable(f"messages {last + 1} to {offset - 1} of the log are gone{hint}")
        last, silences = offset, 0
        log.add(*delivery)
    raise Unreadable(f"the log ended early: {last + 1} messages, then none for {MAX_SILENCES * SILENCE_S:.0f} s")


def _end(url: str) -> int:
    """Return the offset of the last message, or -1 if there is none. Reads from the last chunk to its end."""
    with _channel(url) as channel:
        last_ones = itertools.takewhile(lambda message: message[1] is not None, _messages(channel, "last"))
        return max((offset for offset, _ in last_ones), default=-1)


def _messages(channel: BlockingChannel, since: str) -> Iterator[Message]:
    """Yield messages with their offsets, and None for each `SILENCE_S` in which none arrived."""
    channel.basic_qos(prefetch_count=PREFETCH)
    for method, properties, raw in channel.consume(
        LOG, arguments={"x-stream-offset": since}, inactivity_timeout=SILENCE_S
    ):
        if method is None:
            yield -1, None
            continue
        yield int(properties.headers["x-stream-offset"]), (method.exchange, properties, raw)
        if method.delivery_tag % (PREFETCH // 4) == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)
