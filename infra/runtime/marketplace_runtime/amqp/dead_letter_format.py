"""Encodes dead letters as messages for the dead-letter queue, and decodes the messages of that queue."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pamqp.commands import Basic
from pamqp.common import FieldTable
from uuid_utils.compat import uuid7

from marketplace_runtime.amqp.dead_letter import DeadLetter
from marketplace_runtime.amqp.wire_format import CLOUDEVENTS_PREFIX, PERSISTENT, headers_of
from marketplace_runtime.events import Envelope, make_storable

MAX_ERROR_CHARACTERS = 8 * 1024
MAX_HEADER_CHARACTERS = 1024
MAX_HEADERS = 40
MAX_HEADERS_BYTES = 64 * 1024
"""Limit for all headers that are kept. With our own they must fit one frame, which is 128 KiB by default."""
MAX_NAME_BYTES = 128
MAX_SHORT_TEXT_CHARACTERS = 255
MAX_KEY_CHARACTERS = 512
"""A key of this length fits an index entry in UTF-8."""
DEAD_LETTER_PREFIX = "dead_"
PUBLISHER_HEADER = DEAD_LETTER_PREFIX + "user"
"""Header with the publisher of a message that was dead-lettered before its publisher was checked. A redrive requires
that this publisher owns the event's type."""


def storable_headers(headers: Mapping[str, Any] | None) -> dict[str, str | int]:
    """Return the headers worth keeping: short texts and integers, but none of the broker's `x-…` or our `dead_…`."""
    kept: dict[str, str | int] = {}
    bytes_left = MAX_HEADERS_BYTES
    for name, value in (headers or {}).items():
        if (
            name.startswith(("x-", DEAD_LETTER_PREFIX))
            or len(kept) == MAX_HEADERS
            or is_name_too_long(name)
            or make_storable(name) != name
        ):
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, str | int)
            or (isinstance(value, int) and abs(value) >= 2**63)
        ):
            continue
        kept_value = make_storable(value[:MAX_HEADER_CHARACTERS]) if isinstance(value, str) else value
        bytes_left -= len(f"{name}{kept_value}".encode())
        if bytes_left < 0:
            break
        kept[name] = kept_value
    return kept


def headers_with_publisher(properties: Basic.Properties) -> dict[str, str | int]:
    """Return the headers of a message that was not read as an event, with its publisher under `PUBLISHER_HEADER`."""
    return storable_headers(properties.headers) | {PUBLISHER_HEADER: make_storable(properties.user_id or "")}


def is_name_too_long(name: str) -> bool:
    """Return whether a header's name has more than 128 bytes, at which the client would cut it."""
    return len(name.encode(errors="replace")) > MAX_NAME_BYTES


def dead_letter_key(subscription: str, event_id: UUID | None, body: bytes, message_id: str | None) -> str:
    """Return a key that is the same for every copy of one dead letter.

    It is made of the event's id or, without one, of the message id and a hash of the body.
    """
    if event_id is not None:
        return f"{subscription}/{event_id}"
    return f"{subscription}/{make_storable(message_id or '')}/{hashlib.sha256(body).hexdigest()}"


def dead_letter_from_event(
    envelope: Envelope,
    body: bytes,
    *,
    subscription: str,
    reason: str,
    error: str,
    attempts: int,
    failed_at: datetime | None,
) -> DeadLetter:
    """Return the dead letter of an event that was decoded, and then given up."""
    return DeadLetter(
        key=dead_letter_key(subscription, envelope.id, body, None),
        subscription=subscription,
        event_id=envelope.id,
        type=envelope.type,
        reason=reason,
        error=error,
        attempts=attempts,
        failed_at=failed_at,
        headers=storable_headers(headers_of(envelope)),
        body=body,
    )


def dead_letter_properties(letter: DeadLetter, user: str) -> Basic.Properties:
    """Return the AMQP properties with which `letter` is published to the dead-letter exchange. Its body is unchanged.

    The properties can be encoded and fit one frame, whatever the letter contains.
    """
    headers: FieldTable = {
        **letter.headers,
        DEAD_LETTER_PREFIX + "key": letter.key,
        DEAD_LETTER_PREFIX + "subscription": letter.subscription,
        DEAD_LETTER_PREFIX + "reason": letter.reason,
        DEAD_LETTER_PREFIX + "error": make_storable(letter.error[:MAX_ERROR_CHARACTERS]),
        DEAD_LETTER_PREFIX + "attempts": letter.attempts,
    }
    if letter.failed_at is not None:
        headers[DEAD_LETTER_PREFIX + "failed_at"] = letter.failed_at.isoformat()
    return Basic.Properties(
        delivery_mode=PERSISTENT,
        headers=headers,
        message_id=str(uuid7()),
        user_id=user,
    )


def decode_dead_letter(properties: Basic.Properties, body: bytes, service: str) -> DeadLetter:
    """Decode any message of the dead-letter queue into a dead letter that can be stored.

    Our own `dead_…` headers count only if this service published the message. Otherwise the broker dead-lettered it.
    """
    headers: Mapping[str, Any] = properties.headers or {}
    event_id = _uuid(headers.get(CLOUDEVENTS_PREFIX + "id"))
    type = _header_text(headers, CLOUDEVENTS_PREFIX + "type") or None
    key = _header_text(headers, DEAD_LETTER_PREFIX + "key", MAX_KEY_CHARACTERS)
    if properties.user_id != service or not key:
        queue = _header_text(headers, "x-first-death-queue") or "unknown"
        return DeadLetter(
            key=dead_letter_key(queue, event_id, body, properties.message_id),
            subscription=queue.removeprefix(f"{service}."),
            event_id=event_id,
            type=type,
            reason=f"broker-{_header_text(headers, 'x-first-death-reason') or 'unknown'}",
            error="dead-lettered by the broker itself",
            attempts=0,
            failed_at=None,
            headers=headers_with_publisher(properties),
            body=body,
        )
    attempts = headers.get(DEAD_LETTER_PREFIX + "attempts")
    return DeadLetter(
        key=key,
        subscription=_header_text(headers, DEAD_LETTER_PREFIX + "subscription"),
        event_id=event_id,
        type=type,
        reason=_header_text(headers, DEAD_LETTER_PREFIX + "reason"),
        error=_header_text(headers, DEAD_LETTER_PREFIX + "error", MAX_ERROR_CHARACTERS),
        attempts=attempts if isinstance(attempts, int) and abs(attempts) < 2**31 else 0,
        failed_at=_time(_header_text(headers, DEAD_LETTER_PREFIX + "failed_at")),
        headers=storable_headers(headers)
        | ({PUBLISHER_HEADER: _header_text(headers, PUBLISHER_HEADER)} if PUBLISHER_HEADER in headers else {}),
        body=body,
    )


def _header_text(headers: Mapping[str, Any], name: str, max_characters: int = MAX_SHORT_TEXT_CHARACTERS) -> str:
    """Return a header's text in a form that can be stored; empty if there is none."""
    value = headers.get(name)
    return make_storable(value[:max_characters]) if isinstance(value, str) else ""


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _time(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
