"""Reads live events from a temporary queue of its own, which the broker deletes when the connection closes.

The queue takes no messages from the services' queues. Its length is limited: a slow reader misses events, and blocks
no service.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pika
from pika.exceptions import AMQPError

from infra.stack import LocalError
from marketplace_runtime.events import matches

MAX_QUEUE_LENGTH = 10_000
ARGUMENTS = {"x-max-length": MAX_QUEUE_LENGTH, "x-overflow": "drop-head"}
PREFIX = "cloudEvents_"


@dataclass(frozen=True)
class TailedMessage:
    """A message as it was published."""

    type: str
    subject: str
    published_at: datetime | None
    """Time at which the event was published. None if the header is missing or invalid."""
    body: bytes
    id: str
    causation_id: str | None
    user: str | None


def tail(url: str, services: Sequence[str], pattern: str = "*") -> Iterator[TailedMessage | None]:
    """Yield the events that are published from now on, and whose type matches a shell pattern.

    The pattern is compared with the whole type (`checkout.*`), and with the type without its publisher (`order-*`).
    Yields None once when it is subscribed, and then after every second without an event. `url` needs the credentials of
    an administrator, because no other user may declare such a queue. Raises `LocalError` if the broker is unreachable,
    or the connection is lost.
    """
    try:
        connection = pika.BlockingConnection(pika.URLParameters(url))
        try:
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True, auto_delete=True, arguments=ARGUMENTS).method.queue
            for service in services:
                channel.queue_bind(queue, f"{service}.events", "#")
            yield None
            for method, properties, body in channel.consume(queue, auto_ack=True, exclusive=True, inactivity_timeout=1):
                if method is None:
                    yield None
                elif matches(pattern, method.routing_key):
                    yield parse_message(method.routing_key, properties, body)
        finally:
            if connection.is_open:
                connection.close()
    except (AMQPError, OSError) as error:
        raise LocalError(
            f"The broker does not answer: {error or type(error).__name__}", "Is it up? ./marketplace start broker"
        ) from None


def parse_message(routing_key: str, properties: Any, body: bytes) -> TailedMessage:
    """Convert a message. Missing or invalid headers give empty fields or None, never an error."""
    headers = properties.headers or {}

    def text(name: str) -> str:
        return str(headers.get(PREFIX + name, ""))

    try:
        published_at = datetime.fromisoformat(text("time"))
    except ValueError:
        published_at = None
    return TailedMessage(
        type=routing_key,
        subject=text("subject"),
        published_at=published_at,
        body=body,
        id=text("id"),
        causation_id=text("causationid") or None,
        user=properties.user_id,
    )
