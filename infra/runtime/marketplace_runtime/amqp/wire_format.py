"""Encodes and decodes events on the wire: CloudEvents 1.0 in binary mode, as AMQP headers and a JSON body."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pamqp.commands import Basic
from pamqp.common import FieldTable
from uuid_utils.compat import uuid7

from marketplace_runtime.amqp import publish_frames
from marketplace_runtime.amqp.errors import InvalidMessage
from marketplace_runtime.events import TYPE_PATTERN, Envelope
from marketplace_runtime.telemetry import child_traceparent

CLOUDEVENTS_PREFIX = "cloudEvents_"
CONTENT_TYPE = "application/json"
MAX_BODY_BYTES = 256 * 1024
MAX_ATTRIBUTE_CHARACTERS = 255
"""Maximum length of an attribute, in characters."""
PERSISTENT = publish_frames.PERSISTENT

Headers = Mapping[str, Any]


def headers_of(envelope: Envelope) -> dict[str, str]:
    """Return the CloudEvents attributes as headers."""
    headers = {
        CLOUDEVENTS_PREFIX + "specversion": "1.0",
        CLOUDEVENTS_PREFIX + "id": str(envelope.id),
        CLOUDEVENTS_PREFIX + "type": envelope.type,
        CLOUDEVENTS_PREFIX + "source": envelope.source,
        CLOUDEVENTS_PREFIX + "subject": envelope.subject,
        CLOUDEVENTS_PREFIX + "time": envelope.time.isoformat(),
        CLOUDEVENTS_PREFIX + "traceparent": envelope.traceparent,
    }
    if envelope.causation_id is not None:
        headers[CLOUDEVENTS_PREFIX + "causationid"] = str(envelope.causation_id)
    return headers


def properties_of(envelope: Envelope, user: str) -> Basic.Properties:
    """Return the AMQP properties of one publish. Its message id is unique; the event's id is a header."""
    headers: FieldTable = {**headers_of(envelope)}
    return Basic.Properties(
        content_type=CONTENT_TYPE,
        delivery_mode=PERSISTENT,
        headers=headers,
        message_id=str(uuid7()),
        user_id=user,
    )


def frames_of(envelope: Envelope, body: bytes, *, exchange: str, channel: int, frame_max: int) -> bytes:
    """Return the AMQP frames that publish an event. The user of the connection must be the event's source."""
    return publish_frames.encode_publish(
        channel,
        exchange=exchange,
        routing_key=envelope.type,
        content_type=CONTENT_TYPE,
        headers=headers_of(envelope),
        message_id=str(uuid7()),
        user_id=envelope.source,
        body=body,
        frame_max=frame_max,
    )


def envelope_of(properties: Basic.Properties, body_bytes: int) -> Envelope:
    """Return the envelope of a received message. Raises `InvalidMessage` with the reason if it is not an event.

    Does not check whether an event of this age can still be deduplicated; the consumer does.
    """
    headers: Headers = properties.headers or {}
    if body_bytes > MAX_BODY_BYTES:
        raise InvalidMessage("too-large", f"the body has {body_bytes} bytes; at most {MAX_BODY_BYTES} are read")
    if properties.content_type != CONTENT_TYPE:
        raise InvalidMessage("wrong-content-type", f"content type {properties.content_type!r} is not {CONTENT_TYPE}")
    if _text(headers, "specversion") != "1.0":
        raise InvalidMessage("bad-headers", "cloudEvents_specversion is not 1.0")
    type = _text(headers, "type")
    parts = TYPE_PATTERN.match(type)
    if parts is None:
        raise InvalidMessage("bad-headers", f"cloudEvents_type {type!r} is not <publisher>.<name>.v<version>")
    if properties.user_id != parts["publisher"]:
        raise InvalidMessage("wrong-publisher", f"{type} was published by {properties.user_id!r}, not by its owner")
    causation = headers.get(CLOUDEVENTS_PREFIX + "causationid")
    traceparent = headers.get(CLOUDEVENTS_PREFIX + "traceparent")
    return Envelope(
        id=_uuid("id", _text(headers, "id")),
        type=type,
        source=_text(headers, "source"),
        subject=_text(headers, "subject"),
        time=_time(_text(headers, "time")),
        traceparent=child_traceparent(traceparent if isinstance(traceparent, str) else None),
        causation_id=None if causation is None else _uuid("causationid", str(causation)),
    )


def envelope_from_headers(headers: Headers, user: str, body_bytes: int) -> Envelope:
    """Return the envelope of a message from its stored headers and publisher. Raises `InvalidMessage`."""
    return envelope_of(Basic.Properties(content_type=CONTENT_TYPE, headers={**headers}, user_id=user), body_bytes)


def _text(headers: Headers, name: str) -> str:
    value = headers.get(CLOUDEVENTS_PREFIX + name)
    if not isinstance(value, str) or not value or len(value) > MAX_ATTRIBUTE_CHARACTERS or "\0" in value:
        raise InvalidMessage(
            "bad-headers",
            f"{CLOUDEVENTS_PREFIX}{name} is missing, or no text of 1 to {MAX_ATTRIBUTE_CHARACTERS} characters",
        )
    return value


def _uuid(name: str, value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise InvalidMessage("bad-headers", f"{CLOUDEVENTS_PREFIX}{name} {value[:64]!r} is no UUID") from None


def _time(value: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidMessage("bad-headers", f"{CLOUDEVENTS_PREFIX}time {value[:64]!r} is no RFC 3339 time") from None
    if time.tzinfo is None:
        raise InvalidMessage("bad-headers", f"{CLOUDEVENTS_PREFIX}time {value!r} names no time zone")
    try:
        time.astimezone(UTC)
    except OverflowError:  # the time is stored in UTC, where its year can be outside 1 to 9999
        raise InvalidMessage(
            "bad-headers", f"{CLOUDEVENTS_PREFIX}time {value!r} is not between the years 1 and 9999"
        ) from None
    return time
