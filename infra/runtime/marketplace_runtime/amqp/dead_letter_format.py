"""Giving a message up: how it travels to the dead-letter queue, and how it is read there again."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pamqp.commands import Basic
from pamqp.common import FieldTable
from uuid_utils.compat import uuid7

from marketplace_runtime.amqp.dead_letter import DeadLetter
from marketplace_runtime.amqp.wire_format import PERSISTENT, PREFIX, headers_of
from marketplace_runtime.events import Envelope, storable

MAX_ERROR_CHARACTERS = 8 * 1024
MAX_HEADER_CHARACTERS = 1024
MAX_HEADERS = 40
MAX_HEADERS_BYTES = 64 * 1024
"""Of all that are kept: with ours they have to fit one frame, of 128 KiB unless the broker is told otherwise."""
MAX_NAME_BYTES = 128
MAX_WORD_CHARACTERS = 255
MAX_KEY_CHARACTERS = 512
"""In UTF-8 they fit an entry of an index."""
OWN = "dead_"
USER = OWN + "user"
"""Who published it, where nobody has checked that yet: only its event's owner may have it replayed."""


def scalars(headers: Mapping[str, Any] | None) -> dict[str, str | int]:
    """The headers worth keeping: short texts and integers, none of the broker's own `x-…`."""
    kept: dict[str, str | int] = {}
    left = MAX_HEADERS_BYTES
    for name, value in (headers or {}).items():
        if name.startswith(("x-", OWN)) or len(kept) == MAX_HEADERS or too_long(name) or storable(name) != name:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, str | int)
            or (isinstance(value, int) and abs(value) >= 2**63)
        ):
            continue
        keepable = storable(value[:MAX_HEADER_CHARACTERS]) if isinstance(value, str) else value
        left -= len(f"{name}{keepable}".encode())
        if left < 0:
            break
        kept[name] = keepable
    return kept


def unchecked(properties: Basic.Properties) -> dict[str, str | int]:
    """The headers of a message that was not read as an event, with who published it."""
    return scalars(properties.headers) | {USER: storable(properties.user_id or "")}


def too_long(name: str) -> bool:
    """Whether a header's name does not fit the wire, where the client would cut it: 128 bytes."""
    return len(name.encode(errors="replace")) > MAX_NAME_BYTES


def key_of(subscription: str, event_id: UUID | None, body: bytes, message_id: str | None) -> str:
    """The same for every copy of one death: by the event's id, or by what the broker delivered."""
    if event_id is not None:
        return f"{subscription}/{event_id}"
    return f"{subscription}/{storable(message_id or '')}/{hashlib.sha256(body).hexdigest()}"


def dead_letter_of(
    envelope: Envelope,
    body: bytes,
    *,
    subscription: str,
    reason: str,
    error: str,
    attempts: int,
    failed_at: datetime | None,
) -> DeadLetter:
    """Return the dead letter of an event that was read and is given up."""
    return DeadLetter(
        key=key_of(subscription, envelope.id, body, None),
        subscription=subscription,
        event_id=envelope.id,
        type=envelope.type,
        reason=reason,
        error=error,
        attempts=attempts,
        failed_at=failed_at,
        headers=scalars(headers_of(envelope)),
        body=body,
    )


def properties_of_dead(letter: DeadLetter, user: str) -> Basic.Properties:
    """AMQP properties under which `letter` goes to the dead-letter exchange; the body goes untouched.

    Whatever the letter says, they can be encoded, and fit one frame.
    """
    headers: FieldTable = {
        **letter.headers,
        OWN + "key": letter.key,
        OWN + "subscription": letter.subscription,
        OWN + "reason": letter.reason,
        OWN + "error": storable(letter.error[:MAX_ERROR_CHARACTERS]),
        OWN + "attempts": letter.attempts,
    }
    if letter.failed_at is not None:
        headers[OWN + "failed_at"] = letter.failed_at.isoformat()
    return Basic.Properties(
        delivery_mode=PERSISTENT,
        headers=headers,
        message_id=str(uuid7()),
        user_id=user,
    )


def letter_of(properties: Basic.Properties, body: bytes, service: str) -> DeadLetter:
    """Read a message of the dead-letter queue, whatever it is; the letter can be filed.

    Our own word for why it died counts only if we published it; else the broker dead-lettered it.
    """
    headers: Mapping[str, Any] = properties.headers or {}
    event_id = _uuid(headers.get(PREFIX + "id"))
    type = _word(headers, PREFIX + "type") or None
    key = _word(headers, OWN + "key", MAX_KEY_CHARACTERS)
    if properties.user_id != service or not key:
        queue = _word(headers, "x-first-death-queue") or "unknown"
        return DeadLetter(
            key=key_of(queue, event_id, body, properties.message_id),
            subscription=queue.removeprefix(f"{service}."),
            event_id=event_id,
            type=type,
            reason=f"broker-{_word(headers, 'x-first-death-reason') or 'unknown'}",
            error="dead-lettered by the broker itself",
            attempts=0,
            failed_at=None,
            headers=unchecked(properties),
            body=body,
        )
    attempts = headers.get(OWN + "attempts")
    return DeadLetter(
        key=key,
        subscription=_word(headers, OWN + "subscription"),
        event_id=event_id,
        type=type,
        reason=_word(headers, OWN + "reason"),
        error=_word(headers, OWN + "error", MAX_ERROR_CHARACTERS),
        attempts=attempts if isinstance(attempts, int) and abs(attempts) < 2**31 else 0,
        failed_at=_time(_word(headers, OWN + "failed_at")),
        headers=scalars(headers) | ({USER: _word(headers, USER)} if USER in headers else {}),
        body=body,
    )


def _word(headers: Mapping[str, Any], name: str, most: int = MAX_WORD_CHARACTERS) -> str:
    """A header's text as it can be filed; empty where there is none."""
    value = headers.get(name)
    return storable(value[:most]) if isinstance(value, str) else ""


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
