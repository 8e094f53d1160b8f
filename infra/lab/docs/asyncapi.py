"""Builds the AsyncAPI 3.0 document of the marketplace: every published event, its publisher, and the queues it reaches.

Specification: https://www.asyncapi.com/docs/reference/specification/v3.0.0, AMQP binding 0.3.0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contracts import Event
from contracts.gate import golden_schema
from infra.lab.docs.examples import example
from infra.lab.docs.wiring import ServiceWiring

Document = dict[str, Any]

DESCRIPTION = (
    "CloudEvents 1.0 in binary mode over AMQP 0-9-1: attributes are headers, the body is JSON. Each publisher has a"
    " topic exchange of its own; the routing key is the event's type. docs/wire-format.md specifies the rest."
)
UUID_TEXT = {"type": "string", "format": "uuid"}
TEXT = {"type": "string", "minLength": 1, "maxLength": 255}


def asyncapi_document(events: Iterable[type[Event]], services: Sequence[ServiceWiring], version: str) -> Document:
    """Return the AsyncAPI document for what these services publish and subscribe to.

    Raises KeyError if a service publishes or subscribes to an event type that is not in `events`.
    """
    by_type = {event.type: event for event in events}
    published = [by_type[type] for each in services for type in each.publishes]
    queues = {f"{each.service}.{name}": types for each in services for name, types in each.subscriptions.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Marketplace",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": {"host": "localhost:5672", "protocol": "amqp", "protocolVersion": "0-9-1"}},
        "channels": {event.type: _event_channel(event) for event in published}
        | {queue: _queue_channel(queue, [by_type[type] for type in types]) for queue, types in queues.items()},
        "operations": {f"send-{event.type}": _operation("send", event.type, [event]) for event in published}
        | {
            f"receive-{queue}": _operation("receive", queue, [by_type[t] for t in types])
            for queue, types in queues.items()
        },
        "components": {
            "messages": {event.__name__: _message(event) for event in published},
            "schemas": {"CloudEventsHeaders": headers()} | schemas(published),
        },
    }


def headers() -> Document:
    """Return the JSON Schema of the headers of every message."""
    properties = {
        "specversion": {"const": "1.0", "type": "string"},
        "id": UUID_TEXT | {"description": "UUIDv7: the same for every delivery and every version of the event"},
        "type": TEXT | {"description": "the routing key"},
        "source": TEXT
        | {"description": "the service that published it, which the broker verified as the message's user-id"},
        "subject": TEXT
        | {"description": "the id of the aggregate: events of one subject are published in their order"},
        "time": {"type": "string", "format": "date-time"},
        "traceparent": {"type": "string", "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
        "causationid": UUID_TEXT
        | {"description": "the event that led to this one; absent if an HTTP request led to it"},
    }
    return {
        "type": "object",
        "required": [f"cloudEvents_{name}" for name in properties if name != "causationid"],
        "properties": {f"cloudEvents_{name}": schema for name, schema in properties.items()},
    }


def schemas(events: Iterable[type[Event]]) -> Document:
    """Return the JSON Schemas of the events and of their parts, by class name.

    Raises ValueError if two different parts have the same name.
    """
    found: Document = {}
    for event in events:
        schema = golden_schema(event)
        schema.pop("$schema")
        parts = schema.pop("$defs", {})
        for name, part in {**parts, event.__name__: schema}.items():
            moved = _moved(part)
            if found.setdefault(name, moved) != moved:
                raise ValueError(f"There are two different schemas named {name}.")
    return found


def _event_channel(event: type[Event]) -> Document:
    exchange = {
        "name": f"{event.publisher}.events",
        "type": "topic",
        "durable": True,
        "autoDelete": False,
        "vhost": "/",
    }
    return {
        "address": event.type,
        "description": _summary(event),
        "messages": _messages([event]),
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }


def _queue_channel(name: str, events: Sequence[type[Event]]) -> Document:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False, "vhost": "/"}
    return {
        "address": name,
        "messages": _messages(events),
        "bindings": {"amqp": {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}},
    }


def _messages(events: Iterable[type[Event]]) -> Document:
    return {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"} for event in events}


def _operation(action: str, channel: str, events: Sequence[type[Event]]) -> Document:
    at = f"#/channels/{channel}"
    tag = channel.partition(".")[0]
    return {
        "action": action,
        "channel": {"$ref": at},
        "tags": [{"name": tag}],
        "messages": [{"$ref": f"{at}/messages/{event.__name__}"} for event in events],
    }


def _message(event: type[Event]) -> Document:
    message = {
        "name": event.type,
        "title": event.__name__,
        "summary": _summary(event),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/CloudEventsHeaders"},
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "examples": [{"payload": example(golden_schema(event))}],
    }
    if event.deprecated is not None:
        message["x-deprecated"] = event.deprecated.isoformat()
    return message


def _summary(event: type[Event]) -> str:
    return (event.__doc__ or "").strip()


def _moved(schema: Any) -> Any:
    """Return `schema` with its references changed to the place where the document keeps the parts."""
    match schema:
        case Mapping():
            return {
                key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
                for key, value in schema.items()
            }
        case list():
            return [_moved(each) for each in schema]
        case _:
            return schema
