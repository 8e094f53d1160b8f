"""The audit's own capture of every event: the stream `marketplace.log`, read from its first message to its last.

By a client of its own (pika), so that a fault of the runtime's client cannot hide itself.
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
from marketplace_runtime.events import name_of

LOG = "marketplace.log"
PREFETCH = 1000
OWN = 1
"""So many offsets a segment's start takes for the broker's own note (who published, up to where)."""
SILENT_S, SILENCES = 1.0, 15
"""A stream that gives nothing for so long may be at its end; so often in a row, and it cannot be read."""

Message = tuple[int, tuple[str, pika.BasicProperties, bytes] | None]
"""Its offset, and exchange, properties and body."""


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
    """In the log."""

    @property
    def name(self) -> str:
        """Its type without the version."""
        return name_of(self.type)

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


@dataclass(frozen=True, slots=True)
class Strange:
    """A message that is no event."""

    exchange: str
    why: str
    user: str | None = None
    """Who published it, by the broker's word: services say who they are."""
    after: float = 0.0
    """Unix time of the latest event that is before it in the log: it was published no earlier."""

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
    latest: float = 0.0
    """Unix time of the latest event so far."""

    def until(self, before: UUID) -> "Log":
        """The same without what was said later: events whose ids (UUIDv7) are not smaller."""
        return Log({key: said for key, said in self.events.items() if said.id < before}, self.strange)

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
            why = f"{len(raw)} bytes by {properties.user_id}: {error!r}"
            self.strange.append(Strange(exchange, why, properties.user_id, self.latest))
            return
        self.latest = max(self.latest, said.at.timestamp())
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
    """The whole log, up to what was in it when the reading began. Blocks, for 2 s at least.

    Raises `Unreadable` if its beginning is gone, or its end is not reached.
    """
    logging.getLogger("pika").setLevel(logging.WARNING)  # it tells of every step of a connection at INFO
    with _channel(url) as channel:
        return _read(url, channel)


@contextlib.contextmanager
def _channel(url: str) -> Iterator[BlockingChannel]:
    """A channel of a connection of its own. What it has not handed over at its end, the client rejects, which a stream
    answers with an error: that is nothing to us."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        with contextlib.suppress(AMQPError):
            connection.close()


def _read(url: str, channel: BlockingChannel) -> Log:
    """Read until the stream is silent and its last chunk was seen.

    The broker's count of messages is seconds old and says only what there is at least; a reader that begins at
    the last chunk says where the end is now.
    """
    log, last, silences = Log(), -1, 0
    at_least = channel.queue_declare(LOG, passive=True).method.message_count
    for offset, delivery in _messages(channel, "first"):
        if delivery is None:
            silences += 1
            end = _end(url)
            if last >= at_least - 1 and last == end:
                return log
            if silences == SILENCES:
                break
            continue
        if offset > (0 if last < 0 else last + 1 + OWN):
            older = " (it keeps 7 days; ./marketplace down --volumes, then up -d, begins afresh)" if last < 0 else ""
            raise Unreadable(f"messages {last + 1} to {offset - 1} of the log are gone{older}")
        last, silences = offset, 0
        log.add(*delivery)
    raise Unreadable(f"the log gave {last + 1} messages, then nothing for {SILENCES * SILENT_S:.0f} s before its end")


def _end(url: str) -> int:
    """The offset of the last message: from the last chunk on, until nothing follows. -1 if there is none."""
    with _channel(url) as channel:
        last_ones = itertools.takewhile(lambda message: message[1] is not None, _messages(channel, "last"))
        return max((offset for offset, _ in last_ones), default=-1)


def _messages(channel: BlockingChannel, since: str) -> Iterator[Message]:
    """Messages with their offsets; None for each time in which none came."""
    channel.basic_qos(prefetch_count=PREFETCH)
    for method, properties, raw in channel.consume(
        LOG, arguments={"x-stream-offset": since}, inactivity_timeout=SILENT_S
    ):
        if method is None:
            yield -1, None
            continue
        yield int(properties.headers["x-stream-offset"]), (method.exchange, properties, raw)
        if method.delivery_tag % (PREFETCH // 4) == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)
