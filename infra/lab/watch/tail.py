"""Live events: a queue of our own beside the services' queues, gone when we are.

It takes nothing from anybody, and is bounded: who looks on slowly misses events, and holds up nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pika
from pika.exceptions import AMQPError

from infra.stack import LocalError
from marketplace_runtime.events import matches

MOST_WAITING = 10_000
ARGUMENTS = {"x-max-length": MOST_WAITING, "x-overflow": "drop-head"}
PREFIX = "cloudEvents_"


@dataclass(frozen=True)
class Seen:
    """One message as it passed."""

    type: str
    subject: str
    said_at: datetime | None
    body: bytes
    id: str
    causation_id: str | None
    user: str | None


def tail(url: str, services: Sequence[str], pattern: str = "*") -> Iterator[Seen | None]:
    """Events from now on whose type, or its part after the publisher, matches a shell pattern: `order-*`, `checkout.*`.

    Yields None once when it is listening, and then every second without an event. `url` has the credentials of an
    administrator, who alone may make a queue. Raises `LocalError` if the broker is away or goes away.
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
                    yield seen(method.routing_key, properties, body)
        finally:
            if connection.is_open:
                connection.close()
    except (AMQPError, OSError) as error:
        raise LocalError(
            f"The broker does not answer: {error or type(error).__name__}", "Is it up? ./marketplace start broker"
        ) from None


def seen(routing_key: str, properties: Any, body: bytes) -> Seen:
    """A message in our words; whatever is wrong with it is shown, never raised."""
    headers = properties.headers or {}

    def text(name: str) -> str:
        return str(headers.get(PREFIX + name, ""))

    try:
        said_at = datetime.fromisoformat(text("time"))
    except ValueError:
        said_at = None
    return Seen(
        type=routing_key,
        subject=text("subject"),
        said_at=said_at,
        body=body,
        id=text("id"),
        causation_id=text("causationid") or None,
        user=properties.user_id,
    )
