"""A consumer that shares no code with the services: plain pika, and the output of `./marketplace docs`.

It trusts, validates and deduplicates messages as docs/wire-format.md says.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import pika


@dataclass
class Outsider:
    """Consumes every publisher's events from its own queue."""

    url: str
    queue: str
    published: Path
    """The output directory of `./marketplace docs`."""
    seen: Counter[str] = field(default_factory=Counter)
    """The number of distinct events by type."""
    wrong: list[str] = field(default_factory=list)
    ids: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        document = json.loads((self.published / "asyncapi.json").read_text())
        self.exchanges = {
            channel["bindings"]["amqp"]["exchange"]["name"]
            for channel in document["channels"].values()
            if channel["bindings"]["amqp"]["is"] == "routingKey"
        }
        headers = document["components"]["schemas"]["CloudEventsHeaders"]
        self.headers = jsonschema_rs.validator_for(headers, validate_formats=True)
        self.schemas = {file.stem: json.loads(file.read_text()) for file in (self.published / "schemas").iterdir()}
        self.bodies = {
            type: jsonschema_rs.validator_for(schema, validate_formats=True) for type, schema in self.schemas.items()
        }

    def subscribe(self) -> None:
        """Declare and bind the queue, which keeps all events published from now on."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            channel.queue_declare(self.queue, durable=True, arguments={"x-queue-type": "quorum"})
            for exchange in self.exchanges:
                channel.queue_bind(self.queue, exchange, "#")

    def consume(self, *, quiet_s: float) -> None:
        """Consume messages until none arrives for `quiet_s` seconds."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=100)
            for method, properties, body in channel.consume(self.queue, inactivity_timeout=quiet_s):
                if method is None:
                    break
                self.wrong += [
                    f"{method.routing_key}: {each}" for each in self.violations_of(method.routing_key, properties, body)
                ]
                identity = properties.headers["cloudEvents_id"], method.routing_key
                if identity not in self.ids:
                    self.ids.add(identity)
                    self.seen[method.routing_key] += 1
                channel.basic_ack(method.delivery_tag)

    def violations_of(self, routing_key: str, properties: Any, raw: bytes) -> list[str]:
        """Return how a message differs from the documents."""
        headers, body = properties.headers, json.loads(raw)
        if routing_key not in self.bodies:
            return ["there is no schema for it"]
        wrong = [f"headers: {error.message}" for error in self.headers.iter_errors(headers)]
        wrong += [f"body: {error.message}" for error in self.bodies[routing_key].iter_errors(body)]
        expected = {
            "type": (headers["cloudEvents_type"], routing_key),
            "user": (properties.user_id, routing_key.partition(".")[0]),
            "source": (headers["cloudEvents_source"], properties.user_id),
            "subject": (headers["cloudEvents_subject"], str(body[self.schemas[routing_key]["x-event"]["key"]])),
            "content type": (properties.content_type, "application/json"),
            "delivery mode": (properties.delivery_mode, 2),
        }
        return wrong + [f"{name}: {is_} is not {should}" for name, (is_, should) in expected.items() if is_ != should]
